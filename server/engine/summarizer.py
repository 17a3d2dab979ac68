"""The running summary of long conversations, made after an answer and never in its way.

What was said falls out of a model's window; before it does (with a model of this machine: once it has), it is folded
into the summary above it. A failure, or a crash, leaves things as they were: the next answer brings the next attempt.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from string import Template
from typing import Final, Protocol

import structlog
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from config.prompts import load_prompt
from nodes.models.port import NO_USAGE, ChatModel, ModelError, ModelReply, Usage
from nodes.window import count_tokens, cut, cut_together
from server.db.feed import LoggedEvent
from server.db.store import Store
from server.db.summaries import LOOK_BACK, Answered, Summary
from server.engine.transcript import MAX_MESSAGES, readable
from server.errors import NotFound, Unavailable
from server.registry import AgentRegistry
from server.resources.conversations import Message

_OWN_MACHINE: Final = ("embedded:", "ollama:")
"""Models that a summary would keep from answering: asked only when it must be, and left at once when a run begins."""
_EARLY: Final = 0.75
_KEPT: Final = 0.5
"""Of what fits into a window, this share of the newest messages stays as it was said."""
_SECONDS: Final = 120
_MOST_INPUT: Final = 12_000
"""Tokens of one request, however large the model's context."""
_LONGEST: Final = 800
_WORDS_PER_TOKEN: Final = 0.5

_log = structlog.stdlib.get_logger("server.engine")


class Chores(Protocol):
    def for_chores(self) -> ChatModel:
        """Returns the model for work that no agent does. Raises `ModelError`."""


class Summarizer:
    """Watches the log; each completed run is looked after in a task of its own, one at a time."""

    def __init__(self, store: Store, registry: AgentRegistry, models: Chores, spent: Callable[[Usage], None]) -> None:
        """`spent` is told what each summary took: no run's usage holds it."""
        self._store, self._registry, self._models, self._spent = store, registry, models, spent
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._giving_way: asyncio.Task[None] | None = None
        self._closed = False

    def observe(self, run_id: str, events: Sequence[LoggedEvent]) -> None:
        """Takes in what was just committed. Quick, and never raises."""
        for event in events:
            if event.type in ("run.started", "run.resumed") and self._giving_way:
                self._giving_way.cancel()
            elif event.type == "run.completed" and not self._closed:
                task = asyncio.create_task(self._look_after(run_id), name=f"summary after {run_id}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_after(self, run_id: str) -> None:
        try:
            async with self._turn, asyncio.timeout(_SECONDS):
                answered = await self._store.summaries.find_answered(run_id)
                if answered is not None:
                    await self._summarize(answered)
        except (ModelError, NotFound, Unavailable, TimeoutError) as error:
            _log.warning("conversation not summed up; the next answer brings another attempt", reason=str(error))

    async def _summarize(self, answered: Answered) -> None:
        edition = await self._registry.edition(answered.revision)
        room = edition.context_tokens(answered.agent_id) // 2
        known = await self._store.summaries.find(answered.message_id)
        branch = await self._store.messages.branch(answered.message_id, LOOK_BACK)
        said = after_summary([message for message in branch if message.role != "system"], known)
        sizes = [count_tokens(readable(message).text) for message in said]
        if not is_long(sizes, room, _EARLY):
            return
        model = self._models.for_chores()
        near = model.name.startswith(_OWN_MACHINE)
        folded = said[: count_folded(sizes, room)]
        if not folded or (near and not is_long(sizes, room, 1)):
            return
        self._giving_way = asyncio.current_task() if near else None
        try:
            text, usage = await _ask(model, known.content if known else "", folded)
        except ModelError as error:
            self._spent(error.usage)
            raise
        finally:
            self._giving_way = None
        self._spent(usage)
        await self._store.summaries.keep(answered.conversation_id, Summary(folded[-1].id, text), usage)


@asynccontextmanager
async def open_summarizer(
    store: Store, registry: AgentRegistry, models: Chores, spent: Callable[[Usage], None]
) -> AsyncIterator[None]:
    """Sums conversations up for as long as it is open; `spent` is told what each summary took."""
    summarizer = Summarizer(store, registry, models, spent)
    store.feed.watch(summarizer.observe)
    try:
        yield
    finally:
        await summarizer.close()


def after_summary(said: Sequence[Message], known: Summary | None) -> list[Message]:
    """Returns what was said after the part that a summary tells of."""
    places = [place for place, message in enumerate(said) if known and message.id == known.message_id]
    return list(said[places[0] + 1 :] if places else said)


def is_long(sizes: Sequence[int], room: int, share: float) -> bool:
    """Returns whether messages of these sizes take more than a share of the window."""
    return len(sizes) > MAX_MESSAGES * share or sum(sizes) > room * share


def count_folded(sizes: Sequence[int], room: int) -> int:
    """Returns how many of the oldest messages go into the summary: all but the newest, which stay as they were said."""
    kept, left = 0, room * _KEPT
    for size in reversed(sizes):
        left -= size
        if left < 0 or kept >= MAX_MESSAGES * _KEPT:
            break
        kept += 1
    return len(sizes) - max(kept, 1)


async def _ask(model: ChatModel, known: str, said: Sequence[Message]) -> tuple[str, Usage]:
    """Returns the new summary and what it took. Raises `ModelError`."""
    longest = min(_LONGEST, model.context_tokens // 8)
    last: ModelReply | None = None
    async for item in model.stream(_build_prompt(model, known, said, longest)):
        last = item if isinstance(item, ModelReply) else last
    text = last.message.text.strip() if last else ""
    if last is None or not text:
        taken = last.usage if last else NO_USAGE
        raise ModelError("model_bad_output", f"the model {model.name} gave no summary", usage=taken)
    return cut(text, longest), last.usage


def _build_prompt(model: ChatModel, known: str, said: Sequence[Message], longest: int) -> list[AnyMessage]:
    texts = cut_together([readable(message).text for message in said], min(_MOST_INPUT, model.context_tokens // 2))
    turns = [f"{message.role}: {_unmarked(text)}" for message, text in zip(said, texts, strict=True)]
    parts = [f"<summary>\n{_unmarked(known)}\n</summary>"] if known else []
    parts += ["\n".join(["<messages>", *turns, "</messages>"]), "Write the new summary."]
    words = int(longest * _WORDS_PER_TOKEN)
    return [SystemMessage(Template(load_prompt("summary")).substitute(words=words)), HumanMessage("\n\n".join(parts))]


def _unmarked(text: str) -> str:
    """No text can close the marks around it."""
    return text.replace("</messages", "< /messages").replace("</summary", "< /summary")
