"""Where LangGraph keeps the state of unfinished runs: a SQLite file of its own, or tables of the PostgreSQL database.

A run whose checkpoints are lost begins anew, or ends with a named reason where that could do something twice.
A database that is away for a while is waited for: it costs time, no run.
"""

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

from config.database_url import find_sqlite_file, parse_database_url
from server.engine.sqlite_checkpoints import open_sqlite_checkpoints
from server.identity.sealing import SEAL_FILE, Seal

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
    `Unavailable` when the place cannot be opened or written. The key that seals them is in `data_dir` in any case.
    """
    url, seal = parse_database_url(database_url), Seal(data_dir / SEAL_FILE)
    if find_sqlite_file(url):
        return open_sqlite_checkpoints(data_dir, seal)
    from server.engine.postgres_checkpoints import open_postgres_checkpoints  # noqa: PLC0415 - brings in the driver

    return open_postgres_checkpoints(url, seal)


async def prune_checkpoints(checkpoints: Checkpoints, find_ended: FindEnded) -> int:
    """Removes those of runs that have ended: a crash may have come between a run's end and its pruning."""
    ended = await find_ended(await checkpoints.run_ids())
    for run_id in ended:
        await checkpoints.saver.adelete_thread(run_id)
    return len(ended)
