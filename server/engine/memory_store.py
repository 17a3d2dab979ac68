"""Where what agents remember is kept: a LangGraph store in the database of everything else, SQLite or PostgreSQL.

It knows neither users nor memories: who owns what is a matter of namespaces, and theirs who use it.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.sqlite.aio import AsyncSqliteStore
from typing_extensions import override

from config.database_url import find_page_limit, find_sqlite_file, parse_database_url
from server.db.failures import telling
from server.engine.closing_store import ClosingStore
from server.errors import Unavailable


def open_memory_store(database_url: str) -> AbstractAsyncContextManager[BaseStore]:
    """Yields the store: tables `store*` beside ours, made on first use; no index of vectors, so no extension is loaded.

    Opening it and all that it does raise `Unavailable` when the database cannot be used.
    """
    url = parse_database_url(database_url)
    file = find_sqlite_file(url)
    if file:
        return _open_sqlite(file, find_page_limit(url))
    from server.engine.postgres_memories import open_postgres_memories  # noqa: PLC0415 - brings in the driver

    return open_postgres_memories(url)


class _SqliteStore(ClosingStore, AsyncSqliteStore):
    @override
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        batch = list(ops)
        try:
            return await telling(super().abatch(batch))
        except Unavailable as error:
            if getattr(error.__cause__, "sqlite_errorname", "") != "SQLITE_BUSY_SNAPSHOT":
                raise
        # It read and then wrote, and another connection committed in between: this time it sees what that wrote.
        return await telling(super().abatch(batch))


@asynccontextmanager
async def _open_sqlite(file: Path, pages: int | None) -> AsyncIterator[BaseStore]:
    connection = await telling(aiosqlite.connect(file, isolation_level=None))
    try:
        limit = [f"max_page_count={pages}"] if pages else []
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", *limit):
            await telling(connection.execute(f"PRAGMA {pragma}"))
        store = _SqliteStore(connection)
        try:
            await telling(store.setup())
            yield store
        finally:
            await store.close()
    finally:
        await connection.close()
