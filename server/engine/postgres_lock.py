"""The lock of the one engine that works with a PostgreSQL database, held on a connection of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psycopg
import structlog

from server.db.failures import telling
from server.errors import Unavailable

_LOCK: Final = 0x6F70656E2D61
"""A number that all processes agree on, and that migrations do not use."""
_LOOK_SECONDS: Final = 5.0
_REFUSALS: Final = 8
"""After so many looks at a lock that is held, another engine holds it: a dead connection is gone by then."""
_TRIES: Final = 12
_PAUSE_SECONDS: Final = 0.25
_KEEPALIVE: Final = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""So that the database lets go of the lock of a machine that lost its power within half a minute."""

_log = structlog.stdlib.get_logger("server.engine")


@asynccontextmanager
async def open_database_lock(url: str) -> AsyncIterator[asyncio.Event]:
    """Holds it for this process; yields what is set once another engine has taken it.

    Raises:
        Unavailable: another process has it, or the database does not answer.
    """
    lock = _DatabaseLock(url)
    try:
        await telling(lock.take_soon(), psycopg.Error)
        holding = asyncio.create_task(lock.hold(), name="database lock")
        try:
            yield lock.taken
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
    finally:
        await lock.release()


class _DatabaseLock:
    """PostgreSQL's advisory lock: it lives as long as the connection that took it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.taken = asyncio.Event()
        """By another engine, which this one has to leave the database to."""
        self._connection: psycopg.AsyncConnection | None = None

    async def take_soon(self) -> None:
        """Waits a little: the database may need a moment to notice that the process before this one was killed."""
        for _ in range(_TRIES):
            if await self._take():
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        detail = "Another open-agent already works with this database; stop it, or choose another DATABASE_URL."
        raise Unavailable("engine_running", detail)

    async def hold(self) -> None:
        """Takes the lock again when a restart of the database has ended the connection that held it.

        Whoever holds it then may be this process's own lost connection, of which the database has not heard yet.
        """
        refused = 0
        while refused < _REFUSALS:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if self._connection is not None:
                    await self._connection.execute("SELECT 1")
                elif await self._take():
                    refused = 0
                else:
                    refused += 1
            except psycopg.Error:
                await self.release()
        _log.error("another open-agent has taken this database; this one stops")
        self.taken.set()

    async def release(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        self._connection = None

    async def _take(self) -> bool:
        connect = psycopg.AsyncConnection.connect
        self._connection = await connect(self._url, autocommit=True, connect_timeout=5, options=_KEEPALIVE)
        answer = await self._connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))
        taken = bool((await answer.fetchone() or (False,))[0])
        if not taken:
            await self.release()
        return taken
