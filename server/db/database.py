"""Opens a SQLite or PostgreSQL database: engines, pragmas, the write queue. Knows no table."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import URL, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from config.database_url import async_database_url, find_page_limit, parse_database_url
from server.db.failures import find_outage, unavailable
from server.db.opened_file import OpenedFile, find_opened_file
from server.db.sessions import ReadSession
from server.db.write_queue import Work, WriteQueue, open_write_queue
from server.errors import Unavailable

T = TypeVar("T")
_PATIENCE_SECONDS: Final = 30
"""For a free connection: a thousand readers who come at once are served one after the other, not turned away."""


class Database:
    """Reads in parallel, writes through one queue."""

    def __init__(self, readers: AsyncEngine, queue: WriteQueue, file: OpenedFile | None) -> None:
        self._readers = readers
        self._queue = queue
        self._file = file

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in a transaction and returns its result once that is durable."""
        self._check_file()
        return await self._queue.write(work)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Yields a session on the last committed state. Keep it short, and never hold it while streaming."""
        self._check_file()
        try:
            async with ReadSession(self._readers, expire_on_commit=False) as session:
                yield session
        except SQLAlchemyError as error:
            if outage := find_outage(error):
                raise unavailable(outage) from error
            raise

    def _check_file(self) -> None:
        if self._file:
            self._file.check()


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Yields the database at `url`, as it is: see `migrate` for bringing it to the present version."""
    address = make_url(async_database_url(parse_database_url(url)))
    build = _sqlite_engine if address.get_backend_name() == "sqlite" else _postgresql_engine
    async with AsyncExitStack() as stack:
        readers, writer = build(address, read_only=True), build(address, read_only=False)
        stack.push_async_callback(readers.dispose)
        stack.push_async_callback(writer.dispose)
        queue = await stack.enter_async_context(open_write_queue(writer))
        yield Database(readers, queue, find_opened_file(address))


def prepare_file(address: URL) -> None:
    """Makes the folder and the file of a SQLite database that is not there yet; only its owner may read it.

    Raises:
        Unavailable: they cannot be made.
    """
    if address.get_backend_name() != "sqlite" or not address.database:
        return
    file = Path(address.database)
    try:
        make_private_file(file)
    except OSError as error:
        detail = f"{file} cannot be made ({error.strerror}); choose another with DATA_DIR or DATABASE_URL."
        raise Unavailable("database_unavailable", detail) from error


def make_private_file(file: Path) -> None:
    """Makes it, empty, unless it is there. What SQLite puts beside it gets the same rights.

    Raises:
        OSError: it cannot be made.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)


POSTGRESQL_TEXT: Final = {"client_encoding": "utf8"}
"""Of a database without an encoding (SQL_ASCII, as the locale C makes them) the driver would give bytes for text."""


def _postgresql_engine(address: URL, *, read_only: bool) -> AsyncEngine:
    options = "-c default_transaction_read_only=on" if read_only else ""
    size = 5 if read_only else 1
    return create_async_engine(
        address,
        pool_pre_ping=True,
        pool_size=size,
        max_overflow=0,
        pool_timeout=_PATIENCE_SECONDS,
        connect_args={**POSTGRESQL_TEXT, "connect_timeout": 5, "options": options},
    )


def _sqlite_engine(address: URL, *, read_only: bool) -> AsyncEngine:
    pages = find_page_limit(address.render_as_string())
    engine = create_async_engine(
        address.set(query={}), pool_size=4 if read_only else 1, max_overflow=0, pool_timeout=_PATIENCE_SECONDS
    )
    # A read transaction that is upgraded to a write gets SQLITE_BUSY at once, so a write says at its begin what it is.
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        configure_sqlite(connection, read_only=read_only)
        if pages:
            connection.cursor().execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine.sync_engine, "connect", configure)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def configure_sqlite(connection: DBAPIConnection, *, read_only: bool = False) -> None:
    """Sets up one connection; `synchronous=FULL`, because NORMAL loses the last commits when the power goes."""
    connection.isolation_level = None  # the driver begins nothing by itself: the engine's `begin` does
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA page_count")
    if cursor.fetchone() == (0,):
        # of a new file only, and before anything else: it writes, and afterwards it takes a VACUUM
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"]
    for pragma in [*pragmas, f"query_only={'ON' if read_only else 'OFF'}"]:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
