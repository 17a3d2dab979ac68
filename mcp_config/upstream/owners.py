"""The tasks that own connections, and ending them all in bounded time."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

_STOP_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


async def stop_owners(owners: Sequence[asyncio.Task[None]]) -> None:
    for owner in owners:
        owner.cancel()
    if owners:
        _, stuck = await asyncio.wait(owners, timeout=_STOP_SECONDS)
        for owner in stuck:
            _log.error("%s does not stop", owner.get_name())
