"""The two clocks of one call: how long it may take in all, and how long its server may say nothing of it.

Progress winds the second one anew, never the first. While a person is asked, neither runs. Knows no server.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from mcp_config.errors import CallTimedOut


class CallDeadline:
    """For one call: `total` seconds for all of it, and `idle` seconds between two signs of life, if that is less."""

    def __init__(self, total: float, idle: float | None = None) -> None:
        self._total = total
        self._idle = idle if idle is not None and idle < total else None
        self._timer = asyncio.timeout(None)
        self._running = False
        self._left = total
        self._since = 0.0
        self._heard = 0.0
        self._pauses = 0

    @property
    def expired(self) -> bool:
        return self._timer.expired()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Ends the work inside when either clock has run down. Raises: CallTimedOut."""
        self._since = self._heard = _now()
        try:
            async with self._timer:
                self._running = True
                self._wind()
                yield
        except TimeoutError:
            raise CallTimedOut(self._why()) from None
        finally:
            self._running = False

    def stir(self) -> None:
        """The server has shown that it is at work."""
        self._heard = _now()
        if self._idle is not None:
            self._wind()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops both clocks while this is open; the first goes on from where it stood, the second anew."""
        self._pauses += 1
        if self._pauses == 1:
            self._left -= _now() - self._since
        self._wind()
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                self._since = self._heard = _now()
            self._wind()

    def _wind(self) -> None:
        if self._running and not self._timer.expired():
            self._timer.reschedule(None if self._pauses else self._next)

    @property
    def _next(self) -> float:
        ends = self._since + self._left
        return ends if self._idle is None else min(ends, self._heard + self._idle)

    def _why(self) -> str:
        if self._idle is not None and self._next < self._since + self._left:
            return f"no answer and no progress for {self._idle:g} seconds (its idle_timeout)"
        return f"no answer within {self._total:g} seconds (its timeout)"


def _now() -> float:
    return asyncio.get_running_loop().time()
