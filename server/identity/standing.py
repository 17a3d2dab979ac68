"""Who came in may lose the right to: a key is revoked, a token runs out. Requests that are still open are told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from server.errors import Forbidden, Unauthenticated, Unavailable

LOOK_SECONDS: Final = 1.0


@dataclass
class _Watch:
    """Of all open requests with one key."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    requests: int = 0
    looking: asyncio.Task[None] | None = None


class Standing:
    def __init__(self, identify: Callable[[str], Awaitable[object]]) -> None:
        """`identify` raises once an `Authorization` brings nobody in any more."""
        self._identify = identify
        self._watches: dict[str, _Watch] = {}

    @contextmanager
    def watched(self, authorization: str) -> Iterator[asyncio.Event]:
        """Yields what is set when the right to be here ends."""
        watch = self._watches.setdefault(authorization, _Watch())
        watch.requests += 1
        if watch.looking is None:
            watch.looking = asyncio.create_task(self._look(authorization, watch.over), name="standing of a key")
        try:
            yield watch.over
        finally:
            watch.requests -= 1
            if not watch.requests:
                watch.looking.cancel()
                del self._watches[authorization]

    async def _look(self, authorization: str, over: asyncio.Event) -> None:
        while not over.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._identify(authorization)
            except (Unauthenticated, Forbidden):
                over.set()
            except Unavailable:
                pass  # nobody can say: what is new is refused meanwhile, what is under way goes on
