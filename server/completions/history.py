"""From the messages of a request to the history that the store lays along its own. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from server.completions.parts import attachments_of, text_of
from server.completions.visit import Visit
from server.completions.wording import ChatMessage, CompletionRequest
from server.db.histories import History, Turn
from server.errors import Invalid


def build_history(request: CompletionRequest, visit: Visit) -> History:
    """Returns all up to the newest user message, which is the question.

    Raises: Invalid, when there is none, or a part of it cannot be taken.
    """
    turns = _turns(request.messages, wrapped=visit.rich)
    while turns and turns[-1].role != "user":
        turns.pop()  # the beginning of an answer cannot be carried on: it is given anew
    if not turns:
        raise Invalid("no_user_message", "There is no user message to answer.", pointer="/messages")
    standing = [text_of(message) for message in request.messages if message.role in ("system", "developer")]
    return History(
        turns=turns,
        standing="\n\n".join(text for text in standing if text.strip()),
        namespace=visit.namespace(request.user),
        key=visit.key,
        labels={"temporary": "true"} if visit.temporary else {},
    )


def _turns(messages: Sequence[ChatMessage], *, wrapped: bool) -> list[Turn]:
    turns: list[Turn] = []
    for turn in _each_turn(messages, wrapped=wrapped):
        if turns and turns[-1].role == turn.role == "assistant":
            turns[-1] = _joined(turns[-1], turn)
        else:
            turns.append(turn)
    return [turn for turn in turns if turn.role == "user" or turn.content]


def _each_turn(messages: Sequence[ChatMessage], *, wrapped: bool) -> Iterator[Turn]:
    for index, message in enumerate(messages):
        if message.role == "user":
            text = text_of(message)
            attached = attachments_of(message, f"/messages/{index}")
            yield Turn("user", text, attached, known_by=_unwrapped(text) if wrapped else "")
        elif message.role == "assistant":
            yield Turn("assistant", text_of(message))


def _joined(first: Turn, second: Turn) -> Turn:
    """An answer that was interrupted by tool cards comes back in pieces."""
    return replace(first, content="\n\n".join(filter(None, (first.content, second.content))))


def _unwrapped(text: str) -> str:
    """Open WebUI sets files before the question, and the next time only their names, or nothing."""
    return text.rpartition("</context>")[2].rpartition("</attached_files>")[2].strip()
