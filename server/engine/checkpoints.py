"""Where LangGraph keeps the state of unfinished runs: a SQLite file of its own, or tables of the PostgreSQL database.

A run whose checkpoints are lost begins anew, or ends with a named reason where that could do something twice.
A database that is away for a while is waited for: it costs time, no run.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from psycopg import AsyncCursor
from psycopg.rows import DictRow
from typing_extensions import override

from config.database_url import find_sqlite_file, parse_database_url
from graph.runner import ATTEMPT
from server.db.events import Fenced
from server.db.failures import telling
from server.engine.carrier import patiently
from server.engine.postgres_pool import Pool, open_pool
from server.errors import Unavailable

T = TypeVar("T")
P = ParamSpec("P")
_CONNECTIONS: Final = 2
"""The saver does one thing at a time; the second spares a wait when the first turns out to be dead."""
_HOLD: Final = "SELECT 1 FROM runs WHERE id = %s AND attempt = %s AND status = 'running' FOR SHARE"
"""While this transaction lasts nobody claims or ends the run."""


FindEnded = Callable[[Collection[str]], Awaitable[set[str]]]
"""Tells which of these runs have ended or are gone."""


class Checkpoints(Protocol):
    """The checkpointer, and which runs it holds anything of."""

    @property
    def saver(self) -> BaseCheckpointSaver[str]: ...

    async def run_ids(self) -> list[str]: ...


def open_checkpoints(database_url: str, data_dir: Path) -> AbstractAsyncContextManager[Checkpoints]:
    """Yields the checkpoints. Close them only after the runs have ended.

    With SQLite they lie in `data_dir`, whose file they do not share with the log: each has one writer. Opening raises
    `Unavailable` when the place cannot be opened or written.
    """
    url = parse_database_url(database_url)
    return _open_sqlite(data_dir) if find_sqlite_file(url) else _open_postgresql(url)


async def prune_checkpoints(checkpoints: Checkpoints, find_ended: FindEnded) -> int:
    """Removes those of runs that have ended: a crash may have come between a run's end and its pruning."""
    ended = await find_ended(await checkpoints.run_ids())
    for run_id in ended:
        await checkpoints.saver.adelete_thread(run_id)
    return len(ended)


@dataclass(frozen=True)
class _Claim:
    """On whose behalf something is read or written."""

    run_id: str
    attempt: int


_AT_WORK: Final[ContextVar[_Claim | None]] = ContextVar("checkpoint_claim", default=None)
"""What the cursor of a write has to check in its own transaction: LangGraph's signatures cannot carry it there."""


class _Patient(BaseCheckpointSaver[str]):
    """Does again what the database could not do. Each of these may be done twice: they write what they are given.

    It takes nothing from an attempt whose successor has read already. Within a process that is all there is to check;
    of other processes only PostgreSQL can know.
    """

    _newest: dict[str, int]
    """The newest attempt of each run that has read or written here."""

    @override
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        self._check(config)
        return await _patiently(super().aget_tuple, config)

    @override
    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        with self._fenced(config):
            return await _patiently(super().aput, config, checkpoint, metadata, new_versions)

    @override
    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],  # Any: LangGraph's own type for a channel's value
        task_id: str,
        task_path: str = "",
    ) -> None:
        with self._fenced(config):
            await _patiently(super().aput_writes, config, writes, task_id, task_path)

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        self._newest.pop(thread_id, None)
        await _patiently(super().adelete_thread, thread_id)

    @contextmanager
    def _fenced(self, config: RunnableConfig) -> Iterator[None]:
        token = _AT_WORK.set(self._check(config))
        try:
            yield
        finally:
            _AT_WORK.reset(token)

    def _check(self, config: RunnableConfig) -> _Claim | None:
        """Raises `Fenced` for an attempt that has a successor. Who names no attempt is not asked: it carries no run."""
        run_id, attempt = config["configurable"]["thread_id"], config["configurable"].get(ATTEMPT)
        if attempt is None:
            return None
        if attempt < self._newest.get(run_id, 0):
            raise Fenced(f"run {run_id} is not attempt {attempt}'s to checkpoint any more")
        self._newest[run_id] = attempt
        return _Claim(run_id, attempt)


class _SqliteSaver(_Patient, AsyncSqliteSaver):
    def __init__(self, connection: aiosqlite.Connection, serde: JsonPlusSerializer) -> None:
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


class _PostgresSaver(_Patient, AsyncPostgresSaver):
    def __init__(self, pool: Pool, serde: JsonPlusSerializer) -> None:
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
        claim = _AT_WORK.get()
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
async def _open_sqlite(data_dir: Path) -> AsyncIterator[Checkpoints]:
    path = data_dir / "checkpoints.db"
    try:
        await asyncio.to_thread(data_dir.mkdir, parents=True, exist_ok=True)
        connection = await aiosqlite.connect(path)
    except (OSError, aiosqlite.Error) as error:
        raise Unavailable("database_unavailable", f"{path} cannot be opened; make its folder writable.") from error
    try:
        # FULL: what a model asked for must be as durable as what was then done, or it would be asked, and done, again.
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            await connection.execute(f"PRAGMA {pragma}")
        saver = _SqliteSaver(connection, _strict())
        await saver.setup()
        yield saver
    finally:
        await connection.close()


@asynccontextmanager
async def _open_postgresql(url: str) -> AsyncIterator[Checkpoints]:
    async with open_pool(url, _CONNECTIONS) as pool:
        saver = _PostgresSaver(pool, _strict())
        await telling(saver.setup())
        yield saver


def _strict() -> JsonPlusSerializer:
    return JsonPlusSerializer(allowed_msgpack_modules=None)


async def _patiently(work: Callable[P, Awaitable[T]], *args: P.args, **options: P.kwargs) -> T:
    async def attempt() -> T:
        return await telling(work(*args, **options))

    return await patiently(attempt)
