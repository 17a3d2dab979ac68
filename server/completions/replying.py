"""A message that comes while its chat waits for the user: it is the answer to what was asked, or it is not taken up.

Whether a message is a reply is decided by what its own history shows: nobody approves what they have not been shown.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from server.application import Application
from server.body import parse_json
from server.completions.exchanges import NOT_TAKEN, Folded, fold, words_of
from server.completions.replies import Reply, find_reply, name_of, shown_in
from server.completions.telling import Telling
from server.completions.visit import Visit
from server.db.asked import Asked
from server.db.histories import History
from server.errors import Conflict, Forbidden, Invalid, Malformed, TooLarge, Unavailable
from server.identity.scopes import check_resolving
from server.keys import Principal
from server.resources.approvals import Resolution
from server.resources.forms import read_form

_SAID: Final = frozenset(
    {"denied_by_policy", "approval_resolved", "approval_expired", "approval_cancelled", "server_unavailable"}
)
"""Refusals that are told in the chat, which goes on: with the run, or with the question."""


async def fold_history(app: Application, visit: Visit, history: History) -> Folded:
    ids = {each for turn in history.turns if turn.role == "assistant" for each in shown_in(turn.content)}
    return fold(history, await app.store.asked.find(visit.owner, ids))


async def find_telling(app: Application, visit: Visit, folded: Folded) -> Telling | None:
    """Returns what to tell of the run that asked; None if the newest message is a question of its own."""
    reply = find_reply(words_of(folded.history.turns[-1]))
    if reply and folded.open:
        return await _Replying(app, visit, folded.open).take(reply)
    if visit.multitask != "enqueue":
        return None
    waiting = [each.approval_id for each in folded.open if each.status == "pending"]
    open_one = waiting[0] if waiting else await _find_open(app, visit)
    return await tell_since(app, visit, open_one, NOT_TAKEN) if open_one else None


async def tell_since(app: Application, visit: Visit, approval_id: str, preface: str = "") -> Telling:
    approval = await app.store.approvals.get(visit.owner, approval_id)
    return Telling(await app.store.runs.get(visit.owner, str(approval.run_id)), approval_id, preface)


async def _find_open(app: Application, visit: Visit) -> str | None:
    return await app.store.asked.find_open(visit.owner, visit.key) if visit.key else None


@dataclass(frozen=True)
class _Replying:
    app: Application
    visit: Visit
    shown: Sequence[Asked]

    async def take(self, reply: Reply) -> Telling:
        meant = [each for each in self.shown if each.approval_id.endswith(reply.name)]
        if len(meant) != 1:
            names = ", ".join(f"`{reply.decision} {name_of(each.approval_id)}`" for each in self.shown)
            return await tell_since(self.app, self.visit, self._first(), f"Say which call you mean: {names}.")
        approval_id = meant[0].approval_id
        return await tell_since(self.app, self.visit, approval_id, await self._resolve(approval_id, reply))

    def _first(self) -> str:
        return next((each.approval_id for each in self.shown if each.status == "pending"), self.shown[0].approval_id)

    async def _resolve(self, approval_id: str, reply: Reply) -> str:
        """Returns what the user has to know if it was not taken. Raises: Forbidden, for a token that may not answer."""
        check_resolving(self.visit.scopes)
        try:
            said = _build_resolution(await self._in_full(approval_id, reply))
            await self.app.approving.resolve(Principal(self.visit.owner, self.visit.role), approval_id, said)
        except (Conflict, Forbidden, Invalid, Unavailable) as error:
            if not (isinstance(error, Invalid) or error.code in _SAID):
                raise
            return str(error)
        return ""

    async def _in_full(self, approval_id: str, reply: Reply) -> Reply:
        """Returns the reply with the answer to a form of one field as JSON, where it was just typed."""
        approval = await self.app.store.approvals.get(self.visit.owner, approval_id)
        fields = read_form(approval.arguments) if approval.kind == "question" else []
        if reply.decision != "edit" or len(fields) != 1 or reply.said.startswith("{"):
            return reply
        return replace(reply, said=json.dumps({fields[0].name: fields[0].read(reply.said)}))


def _build_resolution(reply: Reply) -> Resolution:
    """Raises: Invalid, for arguments that are no JSON object, or a reason that is too long."""
    try:
        arguments = parse_json(reply.said.encode()) if reply.decision == "edit" else None
        reason = reply.said or None if reply.decision == "reject" else None
        return Resolution.model_validate({"decision": reply.decision, "arguments": arguments, "reason": reason})
    except (Malformed, Invalid, TooLarge, ValueError) as error:
        wanted = 'After `edit:` comes one JSON object, such as `edit: {"key": "value"}`'
        detail = wanted if reply.decision == "edit" else "The reason is longer than 1,000 characters"
        raise Invalid("invalid_reply", f"{detail}; nothing was changed.") from error
