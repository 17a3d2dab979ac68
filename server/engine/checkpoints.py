"""Where LangGraph keeps the state of unfinished runs: a SQLite file of its own. It can be lost without losing a run."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from server.errors import Unavailable


@asynccontextmanager
async def open_checkpoints(data_dir: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """Yields the checkpointer. Close it only after the runs have ended.

    Raises:
        Unavailable: the file cannot be opened or written.
    """
    path = data_dir / "checkpoints.db"
    try:
        await asyncio.to_thread(data_dir.mkdir, parents=True, exist_ok=True)
        connection = await aiosqlite.connect(path)
    except (OSError, aiosqlite.Error) as error:
        raise Unavailable("database_unavailable", f"{path} cannot be opened; make its folder writable.") from error
    try:
        # NORMAL: a checkpoint lost with the power costs one step done again; the log of events is the one kept FULL.
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=NORMAL"):
            await connection.execute(f"PRAGMA {pragma}")
        saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        await saver.setup()
        yield saver
    finally:
        await connection.close()


async def prune_checkpoints(saver: AsyncSqliteSaver, unfinished: Collection[str]) -> None:
    """Removes the checkpoints of runs that have ended: a crash may have come between a run's end and its pruning."""
    async with saver.lock, saver.conn.execute("SELECT DISTINCT thread_id FROM checkpoints") as rows:
        kept = [row[0] async for row in rows]
    for run_id in kept:
        if run_id not in unfinished:
            await saver.adelete_thread(run_id)
