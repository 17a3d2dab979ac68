"""Whether a server that was told to let go of a call still answers. It is given time, less where somebody waits.

Who calls meanwhile is held back: sent to a server that is about to be ended, the call would be lost with it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from mcp_config.errors import NeverSent, ToolError
from mcp_config.upstream.sdk import Session

_PATIENT_SECONDS: Final = 15.0
"""A healthy server on a busy machine answers later than one would think."""
_HELD_SECONDS: Final = 3.0
"""How long a call waits at most for the answer to a ping."""


class Doubt:
    """About one session; `sick` is told when its server takes no notice of a ping."""

    def __init__(self, session: Session, sick: Callable[[], None]) -> None:
        self._session, self._sick = session, sick
        self._asking: asyncio.Task[None] | None = None
        self._latest = 0.0
        self._end: asyncio.Timeout | None = None

    def begin(self) -> None:
        """Asks, unless that is being done."""
        if self._asking is None or self._asking.done():
            self._latest, self._end = asyncio.get_running_loop().time() + _PATIENT_SECONDS, None
            self._asking = asyncio.create_task(self._ask())

    async def settled(self) -> None:
        """Returns once there is no doubt, one way or the other."""
        if self._asking is None or self._asking.done():
            return
        self._hurry()
        await asyncio.wait([self._asking])

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _hurry(self) -> None:
        self._latest = min(self._latest, asyncio.get_running_loop().time() + _HELD_SECONDS)
        if self._end is not None and not self._end.expired():
            self._end.reschedule(self._latest)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout_at(self._latest) as self._end:
                await self._session.ping()
        except TimeoutError:
            self._sick()
        except (NeverSent, ToolError):
            pass  # the session is over, as its owner knows; or it knows no ping, but it answers
