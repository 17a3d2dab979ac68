"""One engine at a time: a lock on the data folder, and one on the database: beside SQLite's file, or in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import psycopg
import structlog
from filelock import FileLock, Timeout

from config.database_url import find_sqlite_file, parse_database_url
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
async def open_sole_use(database_url: str, data_dir: Path) -> AsyncIterator[asyncio.Event]:
    """Holds folder and database for this process; yields what is set once another engine has taken the database.

    Raises:
        Unavailable: another engine works there, or the database does not answer.
    """
    url = parse_database_url(database_url)
    with _folder(data_dir):
        if file := find_sqlite_file(url):
            with _file(file):
                yield asyncio.Event()
            return
        async with _database(url) as taken:
            yield taken


@contextmanager
def _folder(data_dir: Path) -> Iterator[None]:
    with _locked(data_dir / "engine.lock", f"in {data_dir}", "DATA_DIR"):
        yield


@contextmanager
def _file(file: Path) -> Iterator[None]:
    """Holds it also against an engine with a data folder of its own; it is one file, whatever way leads there."""
    real = file.resolve()
    with _locked(real.with_name(f"{real.name}.lock"), f"with {file}", "DATABASE_URL"):
        yield


@contextmanager
def _locked(path: Path, where: str, setting: str) -> Iterator[None]:
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        detail = f"Another open-agent already works {where}; stop it, or choose another {setting}."
        raise Unavailable("engine_running", detail) from error
    except OSError as error:
        detail = f"The folder {path.parent} cannot be made or written ({error.strerror}); choose another {setting}."
        raise Unavailable("database_unavailable", detail) from error
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[asyncio.Event]:
    lock = _DatabaseLock(url)
    try:
        await telling(lock.take_soon())
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
