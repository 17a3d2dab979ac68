"""One read for all who ask for the same thing at the same time. Knows neither runs nor SQL."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedReads(Generic[K, V]):
    """Nobody is given what was read before they asked: who comes while a read is under way shares the next one."""

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._running: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """Raises what the read raises."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, self._running.get(key)))
            task.add_done_callback(_take_note)
        return await asyncio.shield(task)  # who goes away takes nothing from the others

    async def _run(self, key: K, before: asyncio.Task[V] | None) -> V:
        if before is not None:
            await asyncio.wait([before])
        task = self._running[key] = self._next.pop(key)
        try:
            return await self._read(key)
        finally:
            if self._running.get(key) is task:
                del self._running[key]


def _take_note(task: asyncio.Task[V]) -> None:
    """Looks at the outcome, for it may be that nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
