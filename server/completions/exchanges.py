"""Questions to the user, and the replies, in a history that a client sends. Neither is a message of the conversation:
they are taken out, and the answer of the run that asked stands in their place. Pure.

An answer counts as such a question only if its run belongs here: whoever quotes an id does not bring it into a chat.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from server.completions.replies import find_reply, shown_in
from server.db.asked import Asked
from server.db.digests import first_digest
from server.db.histories import History, Turn, digest_after

NOT_TAKEN: Final = "A tool call of this chat still waits for you, so this message was not taken up."


@dataclass(frozen=True)
class Folded:
    history: History
    open: Sequence[Asked]
    """What the last answer asks: the newest message may be the reply."""


def fold(history: History, known: Mapping[str, Asked]) -> Folded:
    """Returns the history without questions and replies; `known` are those its answers may show."""
    turns, kept, shown = history.turns, list[Turn](), list[Asked]()
    digest, begun = first_digest(history.namespace), 0
    while begun < len(turns):
        asked = _Place(history, digest, kept[-1].content if kept else "").asked_in(turns[begun], known)
        end = _end_of_exchange(turns, begun, asked, known) if asked else begun + 1
        exchange = turns[begun:end]
        kept.append(_answer(exchange, asked[0]) if asked else exchange[0])
        shown = [known[each] for each in shown_in(exchange[-1].content) if each in known] if asked else shown
        shown = shown if end >= len(turns) - 1 else []
        digest, begun = digest_after(digest, kept[-1]), end
    return Folded(replace(history, turns=kept), shown)


@dataclass(frozen=True)
class _Place:
    """Where in a history an answer stands: what was said before it."""

    history: History
    digest: str
    question: str

    def asked_in(self, turn: Turn, known: Mapping[str, Asked]) -> list[Asked]:
        if turn.role != "assistant":
            return []
        return [known[each] for each in shown_in(turn.content) if each in known and self._holds(known[each])]

    def _holds(self, asked: Asked) -> bool:
        if self.history.key is not None:
            return asked.key == self.history.key
        if self.history.labels:  # a temporary chat: each of its requests is a conversation of its own
            return asked.labels == self.history.labels and asked.words == self.question
        return asked.digest == self.digest


def _end_of_exchange(turns: Sequence[Turn], begun: int, asked: Sequence[Asked], known: Mapping[str, Asked]) -> int:
    """Returns where the replies to a question, and what was said to them, end."""
    end = begun + 1
    for said, answer in _pairs(turns[end:]):
        same = {known[each].run_id for each in shown_in(answer.content) if each in known} & {asked[0].run_id}
        if not (find_reply(words_of(said)) or same or answer.content.startswith(NOT_TAKEN)):
            break
        end += 2
    return end


def _pairs(turns: Sequence[Turn]) -> Iterator[tuple[Turn, Turn]]:
    """Yields what the user said with what was answered."""
    for number, (said, answer) in enumerate(pairwise(turns)):
        if number % 2 == 0:
            if (said.role, answer.role) != ("user", "assistant"):
                return
            yield said, answer


def _answer(exchange: Sequence[Turn], asked: Asked) -> Turn:
    said = [turn.content for turn in exchange if turn.role == "assistant"]
    return Turn("assistant", asked.answer if asked.answer is not None else "\n\n".join(said))


def words_of(turn: Turn) -> str:
    """Returns what the user wrote, without what their client has set around it."""
    return turn.known_by or turn.content
