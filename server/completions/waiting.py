"""What a client of completions reads in the place of an answer, where the run waits for a person. Pure.

Arguments are a model's words: they stand in a block of code that they cannot leave, and nothing in them is invisible.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

from pydantic import JsonValue

from server.completions.replies import address_of, name_of
from server.resources.approvals import Approval

_LONGEST: Final = 4_000
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def tell_waiting(approvals: Sequence[Approval]) -> str:
    """Returns what is asked, and how to answer."""
    named = len(approvals) > 1
    asked = [f"{ask(each)}\n\n{_how(each, named=named)}" for each in approvals]
    return "\n\n".join([*asked, "Nothing is done before.", f"Elsewhere: {_elsewhere(approvals)}."])


def ask(approval: Approval) -> str:
    """Returns the question, as Markdown."""
    shown = _visible(approval.arguments)
    cut = f"\n\n**Cut at {_LONGEST} characters:** read all of it before you approve." if len(shown) > _LONGEST else ""
    asks = f"**Approval needed:** {approval.agent} wants to call `{approval.tool}` with"
    return f"{asks}\n\n{_fenced(shown[:_LONGEST])}{cut}\n\nThe rule that asks: `{_plain(approval.rule)}`"


def _how(approval: Approval, *, named: bool) -> str:
    name = f" {name_of(approval.id)}" if named else ""
    other = f"with `edit{name}: {{…}}` the call is made with other arguments"
    return f"Reply `approve{name}` or `reject{name}: why`; {other}."


def _elsewhere(approvals: Sequence[Approval]) -> str:
    ways = (f"`open-agent approvals approve {each.id}`, or {address_of(each.id)}" for each in approvals)
    return f'{"; ".join(ways)} with `{{"decision": "approve"}}`'


def _visible(arguments: Mapping[str, JsonValue]) -> str:
    """Returns them as JSON; what nobody would see stands there as its number."""
    text = json.dumps(arguments, ensure_ascii=False, indent=2)
    return "".join(sign if sign == "\n" or _is_seen(sign) else f"\\u{ord(sign):04x}" for sign in text)


def _is_seen(sign: str) -> bool:
    return unicodedata.category(sign) not in _INVISIBLE


def _fenced(text: str) -> str:
    """Closed by more backticks than there are in a row inside."""
    longest = max(map(len, chain(re.findall(r"`+", text), [""])))
    fence = "`" * max(3, longest + 1)
    return f"{fence}json\n{text}\n{fence}"


def _plain(rule: str) -> str:
    return " ".join(rule.replace("`", "'").split())
