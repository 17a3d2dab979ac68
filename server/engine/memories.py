"""What agents remember about a user, over LangGraph's store. Each owner has a namespace of their own, and no other."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from langgraph.store.base import BaseStore, SearchItem
from pydantic import BaseModel, ConfigDict

from config.ids import new_id
from mcp_config.guards import Foresight
from mcp_config.inventory import UnknownTool
from mcp_config.local.memory_tools import RECALL_MEMORIES, NotRemembered, Remembered
from mcp_config.tools import Caller, ToolCall
from server.db.columns import storable
from server.engine.likeness import build_words, rank
from server.errors import NotFound, Unavailable
from server.resources.memories import Memory

MAX_MEMORIES: Final = 500
_MOST_BY_THEMSELVES: Final = 8
"""Memories that come into a prompt without being asked for."""
Foresee = Callable[[ToolCall], Awaitable[Foresight]]
"""What would become of a call, by allowlist and policy."""

_log = structlog.stdlib.get_logger("server.engine")


class _Value(BaseModel):
    """A memory as it is stored."""

    model_config = ConfigDict(frozen=True)

    owner: str
    text: str
    agent: str | None
    run_id: str | None
    created_at: datetime


class Memories:
    """Satisfies `mcp_config.local.memory_tools.MemoryKeeper`."""

    def __init__(
        self,
        store: BaseStore,
        is_temporary: Callable[[str], Awaitable[bool]],
        most: int = MAX_MEMORIES,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`is_temporary` says of a run whether its client keeps nothing of the conversation; `redact` takes out of what
        a model wants remembered what must not be seen."""
        self._store, self._is_temporary, self._most, self._redact = store, is_temporary, most, redact
        self._turn = asyncio.Lock()
        """Who remembers first looks at what there is; one process at a time is at work on a database."""

    async def all(self, owner: str) -> list[Memory]:
        """Returns all that is remembered about an owner, the oldest first."""
        found = await self._store.asearch(_namespace(owner), limit=MAX_MEMORIES)
        # The store finds by the beginning of names; that it found this owner's alone is looked at again.
        mine = [item for item in found if item.namespace == _namespace(owner)]
        memories = [_memory(item) for item in mine if _Value.model_validate(item.value).owner == owner]
        return sorted(memories, key=lambda memory: memory.id)

    async def get(self, owner: str, memory_id: str) -> Memory:
        """Raises: NotFound."""
        for memory in await self.all(owner):
            if memory.id == memory_id:
                return memory
        raise NotFound("memory_not_found", f"There is no memory {memory_id}.")

    async def delete(self, owner: str, memory_id: str) -> None:
        """Raises: NotFound."""
        memory = await self.get(owner, memory_id)
        await self._store.adelete(_namespace(owner), memory.id)

    async def delete_all(self, owner: str) -> None:
        for memory in await self.all(owner):
            await self._store.adelete(_namespace(owner), memory.id)

    async def remember(self, caller: Caller, text: str) -> Remembered:
        if caller.run_id is not None and await self._is_temporary(caller.run_id):
            raise NotRemembered("temporary_chat", "This chat is temporary: nothing of it is remembered.")
        async with self._turn:
            return await self._remember(caller, storable(self._redact(" ".join(text.split()))))

    async def recall(self, caller: Caller, query: str, most: int) -> list[Remembered]:
        memories = [Remembered(memory.id, memory.text) for memory in await self.all(caller.owner)]
        ranked = rank(build_words(query), [build_words(memory.text) for memory in memories])
        return [memories[place] for place in ranked[:most]]

    async def forget(self, caller: Caller, memory_id: str) -> bool:
        try:
            await self.delete(caller.owner, memory_id)
        except NotFound:
            return False
        return True

    async def _remember(self, caller: Caller, text: str) -> Remembered:
        present = await self.all(caller.owner)
        if same := next((memory for memory in present if memory.text.casefold() == text.casefold()), None):
            return Remembered(same.id, same.text)
        if len(present) >= self._most:
            full = f"{self._most} things are remembered, and no more are kept: forget one first."
            raise NotRemembered("memories_full", full)
        value = _Value(
            owner=caller.owner, text=text, agent=caller.agent, run_id=caller.run_id, created_at=datetime.now(UTC)
        )
        memory_id = new_id("mem")
        await self._store.aput(_namespace(caller.owner), memory_id, value.model_dump(mode="json"), index=False)
        return Remembered(memory_id, text)


class Recollection:
    """What comes to an agent's mind by itself. Satisfies `nodes.context.Memories`."""

    def __init__(self, memories: Memories, foresee: Foresee) -> None:
        self._memories, self._foresee = memories, foresee

    async def relevant(self, caller: Caller, question: str) -> list[str]:
        """Returns what has to do with the question, where the agent could recall it by a tool call of its own."""
        call = ToolCall(new_id("call"), RECALL_MEMORIES, {"query": question[:400] or "-"}, caller)
        try:
            if (await self._foresee(call)).decision.verdict != "allow":
                return []
            found = await self._memories.recall(caller, question, _MOST_BY_THEMSELVES)
        except UnknownTool:
            return []
        except Unavailable as error:  # an answer without memories is better than none
            _log.warning("memories not recalled", run_id=caller.run_id, code=error.code)
            return []
        return [memory.text for memory in found]


def _namespace(owner: str) -> tuple[str, str]:
    """As a hash: names may hold what namespaces cannot, and of two hashes neither is the beginning of the other."""
    return "memories", hashlib.sha256(owner.encode()).hexdigest()


def _memory(item: SearchItem) -> Memory:
    value = _Value.model_validate(item.value)
    return Memory(id=item.key, text=value.text, agent=value.agent, run_id=value.run_id, created_at=value.created_at)
