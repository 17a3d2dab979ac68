"""What a user says to a question in the place of a new one: `approve`, `reject: reason`, `edit: {…}`. Pure.

The wording is exact: what only sounds like a yes is none.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

_ID: Final = r"appr_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SHOWN: Final = re.compile(rf"`POST /v1/approvals/({_ID})`")
_REPLY: Final = re.compile(
    rf"(?P<decision>approve|edit|reject)(?:\s+(?P<name>[0-9a-f]{{4,12}}|{_ID}))?(?:\s*:(?P<said>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_NAME_LENGTH: Final = 6


@dataclass(frozen=True)
class Reply:
    decision: Literal["approve", "edit", "reject"]
    name: str
    """The end of the question's id; empty when only one can be meant."""
    said: str
    """The reason, or the arguments as JSON."""


def find_reply(text: str) -> Reply | None:
    found = _REPLY.fullmatch(text.strip().strip("`").strip())
    if found is None:
        return None
    said = found["said"]
    reply = Reply(_decision(found["decision"]), (found["name"] or "").lower(), (said or "").strip())
    match reply.decision:
        case "approve":  # with a condition it is no yes
            return reply if said is None else None
        case "edit":
            return reply if reply.said else None
        case "reject":
            return reply


def shown_in(text: str) -> list[str]:
    """Returns the ids of the questions that an answer has put, as `waiting` words them."""
    return list(dict.fromkeys(_SHOWN.findall(text)))


def address_of(approval_id: str) -> str:
    """Returns what `shown_in` finds again."""
    return f"`POST /v1/approvals/{approval_id}`"


def name_of(approval_id: str) -> str:
    """Returns what a reply may call the question."""
    return approval_id[-_NAME_LENGTH:]


def _decision(word: str) -> Literal["approve", "edit", "reject"]:
    match word.lower():
        case "approve":
            return "approve"
        case "edit":
            return "edit"
        case _:
            return "reject"
