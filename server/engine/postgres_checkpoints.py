"""Checkpoints in PostgreSQL, where a run may have another process by now: each write asks that first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncCursor
from psycopg.rows import DictRow
from typing_extensions import override

from server.db.events import Fenced
from server.db.failures import telling
from server.engine.patient_saver import AT_WORK, PatientSaver
from server.engine.postgres_pool import Pool, open_pool
from server.engine.sealed_serializer import build_serializer
from server.identity.sealing import Seal

_CONNECTIONS: Final = 2
"""The saver does one thing at a time; the second spares a wait when the first turns out to be dead."""
_HOLD: Final = "SELECT 1 FROM runs WHERE id = %s AND attempt = %s AND status = 'running' FOR SHARE"
"""While this transaction lasts nobody claims or ends the run."""


class PostgresSaver(PatientSaver, AsyncPostgresSaver):
    _errors = psycopg.Error

    def __init__(self, pool: Pool, serde: SerializerProtocol) -> None:
        super().__init__(pool, serde=serde)
        self._pool, self._newest = pool, {}

    @property
    def saver(self) -> BaseCheckpointSaver[str]:
        return self

    async def run_ids(self) -> list[str]:
        async with self._pool.connection() as connection:
            rows = await connection.execute("SELECT DISTINCT thread_id FROM checkpoints")
            return [row["thread_id"] for row in await rows.fetchall()]

    @override
    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """Every statement of a write is in one transaction with the check that its run is still this attempt's."""
        claim = AT_WORK.get()
        if claim is None:
            async with super()._cursor(pipeline=pipeline) as cursor:
                yield cursor
            return
        async with super()._cursor() as cursor, cursor.connection.transaction():
            await cursor.execute(_HOLD, (claim.run_id, claim.attempt))
            if await cursor.fetchone() is None:
                raise Fenced(f"run {claim.run_id} is not attempt {claim.attempt}'s to checkpoint any more")
            yield cursor


@asynccontextmanager
async def open_postgres_checkpoints(url: str, seal: Seal) -> AsyncIterator[PostgresSaver]:
    async with open_pool(url, _CONNECTIONS) as pool:
        saver = PostgresSaver(pool, build_serializer(seal))
        await telling(saver.setup(), psycopg.Error)
        yield saver
