"""Connections to PostgreSQL for what LangGraph keeps there: few, checked before use, closed after the runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from server.db.failures import unavailable

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]
_PATIENCE_SECONDS: Final = 10.0
"""For a connection: beyond it the database counts as away."""
_AS_LANGGRAPH_NEEDS_IT: Final[dict[str, Any]] = {  # Any: psycopg's options are of many types
    "autocommit": True,
    "prepare_threshold": 0,
    "row_factory": dict_row,
    "connect_timeout": 5,
    "client_encoding": "utf8",
}


@asynccontextmanager
async def open_pool(url: str, size: int) -> AsyncIterator[Pool]:
    """Yields a pool of up to `size` connections.

    Raises:
        Unavailable: the server does not answer.
    """
    pool: Pool = AsyncConnectionPool(
        url,
        kwargs=_AS_LANGGRAPH_NEEDS_IT,
        connection_class=AsyncConnection[DictRow],
        min_size=1,
        max_size=size,
        timeout=_PATIENCE_SECONDS,
        check=AsyncConnectionPool.check_connection,  # a restart of the server leaves dead connections behind
        open=False,
    )
    try:
        await pool.open(wait=True, timeout=_PATIENCE_SECONDS)
    except PoolTimeout as error:
        raise unavailable(error) from error
    try:
        yield pool
    finally:
        await pool.close()
