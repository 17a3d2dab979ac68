"""The rounds: looks for runs that nobody carries though no process died, so that none stays behind whatever broke."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from server.errors import Unavailable

EVERY_SECONDS: Final = 60.0

_log = structlog.stdlib.get_logger("server.engine")


@asynccontextmanager
async def open_rounds(
    find_due: Callable[[], Awaitable[list[str]]],
    is_minded: Callable[[str], bool],
    take_up: Callable[[str], None],
    every: float = EVERY_SECONDS,
) -> AsyncIterator[None]:
    """While it is open, takes up the due runs that nobody minds."""
    going = asyncio.create_task(_go_round(find_due, is_minded, take_up, every), name="rounds")
    try:
        yield
    finally:
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)


async def _go_round(
    find_due: Callable[[], Awaitable[list[str]]],
    is_minded: Callable[[str], bool],
    take_up: Callable[[str], None],
    every: float,
) -> None:
    """Takes a run up the second time that it is found alone: the first time somebody may be on the way to it."""
    alone: set[str] = set()
    while True:
        await asyncio.sleep(every)
        try:
            found = {run_id for run_id in await find_due() if not is_minded(run_id)}
        except Unavailable as error:
            _log.warning("no round made", code=error.code, detail=str(error))
            continue
        for run_id in sorted(found & alone):
            _log.error("a run that nobody carried is taken up again", run_id=run_id)
            take_up(run_id)
        alone = found
