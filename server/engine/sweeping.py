"""The sweep: once an hour, what is past its time goes. `open-agent prune` does the same by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from server.db.retention import Removed, Retention, Terms
from server.engine.checkpoints import Checkpoints, prune_checkpoints
from server.errors import Unavailable

_EVERY_SECONDS: Final = 3600.0

_log = structlog.stdlib.get_logger("server.engine")


@dataclass(frozen=True)
class KeepFor:
    """How long things are kept."""

    runs: timedelta | None
    """What ended runs did; None for ever."""
    temporary: timedelta

    def terms(self) -> Terms:
        now = datetime.now(UTC)
        return Terms(now - self.runs if self.runs is not None else None, now - self.temporary, now)


def build_keep_for(retention_days: int, temporary_hours: int) -> KeepFor:
    """0 days keep runs for ever."""
    return KeepFor(timedelta(days=retention_days) if retention_days else None, timedelta(hours=temporary_hours))


async def sweep(retention: Retention, checkpoints: Checkpoints, keep: KeepFor) -> Removed:
    """Removes what is past its time; returns what that was. Raises: Unavailable."""
    removed = await retention.remove(keep.terms())
    return replace(removed, checkpoints=await prune_checkpoints(checkpoints, retention.find_ended))


async def count_sweep(retention: Retention, checkpoints: Checkpoints, keep: KeepFor) -> Removed:
    """Returns what `sweep` would remove now."""
    counted = await retention.count(keep.terms())
    return replace(counted, checkpoints=len(await retention.find_ended(await checkpoints.run_ids())))


@asynccontextmanager
async def open_sweeping(
    retention: Retention, checkpoints: Checkpoints, keep: KeepFor, every: float = _EVERY_SECONDS
) -> AsyncIterator[None]:
    """Sweeps while it is open: at once, and then again and again."""
    sweeping = asyncio.create_task(_sweep_often(lambda: sweep(retention, checkpoints, keep), every), name="sweep")
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


async def _sweep_often(once: Callable[[], Coroutine[None, None, Removed]], every: float) -> None:
    while True:
        try:
            removed = await once()
        except Unavailable as error:
            _log.warning("nothing swept", code=error.code, detail=str(error))
        else:
            if not removed.nothing:
                _log.info("swept", **asdict(removed))
        await asyncio.sleep(every)
