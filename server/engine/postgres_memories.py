"""What agents remember, in PostgreSQL."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.postgres.aio import AsyncPostgresStore
from typing_extensions import override

from server.db.failures import telling
from server.engine.closing_store import ClosingStore
from server.engine.postgres_pool import open_pool

_CONNECTIONS: Final = 2


class _PostgresStore(ClosingStore, AsyncPostgresStore):
    @override
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await telling(super().abatch(ops), psycopg.Error)


@asynccontextmanager
async def open_postgres_memories(url: str) -> AsyncIterator[BaseStore]:
    async with open_pool(url, _CONNECTIONS) as pool:
        store = _PostgresStore(pool)
        try:
            await telling(store.setup(), psycopg.Error)
            yield store
        finally:
            await store.close()
