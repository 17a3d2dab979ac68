"""Takes over what another process has changed in the database, before anything is decided by it.

Nobody polls: whoever is about to decide asks, and is at most a second behind.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from server.errors import Unavailable

Renew = Callable[[], Awaitable[None]]
"""Reads anew what has changed, and is quick to see that nothing has."""

_FRESH_SECONDS: Final = 1.0

_log = structlog.stdlib.get_logger("server.changes")


class ChangesElsewhere:
    def __init__(self, fresh_seconds: float = _FRESH_SECONDS) -> None:
        self._fresh_seconds = fresh_seconds
        self._sources: list[Renew] = []
        self._looked = float("-inf")
        self._looking = asyncio.Lock()

    def watch(self, *sources: Renew) -> None:
        self._sources += sources

    async def heed(self) -> None:
        """Returns when what is decided by is at most a second old. Calls at the same time look once."""
        if self._is_fresh():
            return
        async with self._looking:
            if self._is_fresh():
                return
            began = time.monotonic()
            try:
                for renew in self._sources:
                    await renew()
                self._looked = began
            except Unavailable as error:  # what is decided now cannot be written down either, and is not done
                _log.warning("what others may have changed cannot be read", code=error.code)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._looked < self._fresh_seconds
