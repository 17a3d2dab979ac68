"""`open-agent prune`, beside a database that no server has open."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from sqlalchemy import update

from server.db.sessions import WriteSession
from server.db.store import open_store
from server.db.tables import RunRow
from server.engine.checkpoints import open_checkpoints
from tests.cli.terminal import Ran, run, surroundings
from tests.db.stories import answer, begin


async def prune(data_dir: Path, *arguments: str) -> Ran:
    return await run("prune", *arguments, env=surroundings(DATA_DIR=str(data_dir), MODEL_PROVIDER="embedded"))


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_it_says_what_would_go_and_then_removes_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    async with open_store(url) as store, open_checkpoints(url, tmp_path) as checkpoints:
        ended = await begin(store)
        await answer(store, ended)
        waiting = await begin(store)
        for run_id in (ended.run_id, waiting.run_id):  # as a crash between a run's end and its pruning leaves one
            config = RunnableConfig(configurable={"thread_id": run_id, "checkpoint_ns": ""})
            await checkpoints.saver.aput(config, empty_checkpoint(), {"step": 0}, {})

        async def age(session: WriteSession) -> None:
            ended_at = datetime.now(UTC) - timedelta(hours=2)
            await session.execute(update(RunRow).where(RunRow.id == ended.run_id).values(ended_at=ended_at))

        await store.database.write(age)
    what = "1 run with 5 events, the checkpoints of 1 ended run.\n"
    assert (await prune(tmp_path, "--older-than", "1h", "--dry-run")).out == f"Would remove {what}"
    assert (await prune(tmp_path, "--older-than", "1h")).out == f"Removed {what}"
    assert (await prune(tmp_path, "--older-than", "1h")).out == "Removed nothing.\n"
    async with open_checkpoints(url, tmp_path) as checkpoints:
        assert await checkpoints.run_ids() == [waiting.run_id]


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_wrong_age_and_a_folder_without_a_database_are_told_in_words(tmp_path: Path) -> None:
    assert "30d" in (await prune(tmp_path, "--older-than", "a month")).err
    assert (await prune(tmp_path)).out == "Removed nothing.\n"
