"""How long a server may take to start. Each start that comes too late gives the next one more time. Knows no server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

_MOST: Final = 8
"""By how much a start may at most outlast the deadline of the first."""


class StartDeadline:
    """Doubled by each late start: on a machine that is too busy, the same deadline would end all that follow."""

    def __init__(self, seconds: float) -> None:
        self.seconds = self._first = seconds

    @asynccontextmanager
    async def bound(self) -> AsyncIterator[Callable[[], None]]:
        """Yields what is to be called once the start is done: after that, nothing is bound any more.

        Raises:
            TimeoutError: it was not called in time.
        """
        late = f"did not start within {self.seconds:g} seconds"
        try:
            async with asyncio.timeout(self.seconds) as deadline:

                def started() -> None:
                    deadline.reschedule(None)
                    self.seconds = self._first

                yield started
        except TimeoutError:
            self.seconds = min(self.seconds * 2, self._first * _MOST)
            raise TimeoutError(late) from None
