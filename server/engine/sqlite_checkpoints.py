"""Checkpoints in a SQLite file of their own: the log's file has one writer already."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from typing_extensions import override

from server.db.database import make_private_file
from server.engine.patient_saver import PatientSaver
from server.engine.sealed_serializer import build_serializer
from server.errors import Unavailable
from server.identity.sealing import Seal


class SqliteSaver(PatientSaver, AsyncSqliteSaver):
    _errors = sqlite3.Error

    def __init__(self, connection: aiosqlite.Connection, serde: SerializerProtocol) -> None:
        super().__init__(connection, serde=serde)
        self._newest = {}

    @property
    def saver(self) -> BaseCheckpointSaver[str]:
        return self

    async def run_ids(self) -> list[str]:
        async with self.lock, self.conn.execute("SELECT DISTINCT thread_id FROM checkpoints") as rows:
            return [row[0] async for row in rows]

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        await super().adelete_thread(thread_id)
        # the write-ahead log would go on telling what the run's tools were given
        with suppress(aiosqlite.OperationalError):  # it is read just now: the next run's end does it
            async with self.lock, self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)"):
                pass


@asynccontextmanager
async def open_sqlite_checkpoints(data_dir: Path, seal: Seal) -> AsyncIterator[SqliteSaver]:
    path = data_dir / "checkpoints.db"
    try:
        await asyncio.to_thread(make_private_file, path)
        connection = await aiosqlite.connect(path)
    except (OSError, aiosqlite.Error) as error:
        raise Unavailable("database_unavailable", f"{path} cannot be opened; make its folder writable.") from error
    try:
        # FULL: what a model asked for must be as durable as what was then done, or it would be asked, and done, again.
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            await connection.execute(f"PRAGMA {pragma}")
        saver = SqliteSaver(connection, build_serializer(seal))
        await saver.setup()
        yield saver
    finally:
        await connection.close()
