"""An attempt that has a successor leaves nothing behind that the successor could go on from."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint

from graph.runner import ATTEMPT
from server.db.events import Fenced
from server.db.store import Store, open_store
from server.engine.checkpoints import open_checkpoints
from tests.db.stories import begin, claim
from tests.engine.conftest import Site
from tests.engine.talk import ask
from tests.engine.test_approvals import TOOLS, waiting
from tests.support.scripted_model import Replies, says


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with open_store(database_url) as store:
        yield store


def on_behalf(run_id: str, attempt: int, checkpoint_id: str | None = None) -> RunnableConfig:
    place = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
    return RunnableConfig(configurable={"thread_id": run_id, "checkpoint_ns": "", ATTEMPT: attempt, **place})


async def test_attempt_with_a_successor_writes_no_checkpoint(store: Store, database_url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        saver = successor = (await stack.enter_async_context(open_checkpoints(database_url, tmp_path))).saver
        if database_url.startswith("postgresql"):  # there it may be another process that took the run over
            successor = (await stack.enter_async_context(open_checkpoints(database_url, tmp_path))).saver
        run_id = (await begin(store)).run_id
        kept = empty_checkpoint()
        await saver.aput(on_behalf(run_id, 1), kept, {}, {})
        await saver.aput_writes(on_behalf(run_id, 1, kept["id"]), [("kept", 1)], "task")
        assert (await claim(store, run_id, lost=True)).attempt == 2
        seen = await successor.aget_tuple(on_behalf(run_id, 2))
        assert seen is not None
        with pytest.raises(Fenced):
            await saver.aput(on_behalf(run_id, 1), empty_checkpoint(), {}, {})
        with pytest.raises(Fenced):
            await saver.aput_writes(on_behalf(run_id, 1, kept["id"]), [("late", 1)], "task")
        assert await successor.aget_tuple(on_behalf(run_id, 2)) == seen
        assert seen.pending_writes == [("task", "kept", 1)]
        await successor.aput(on_behalf(run_id, 2), empty_checkpoint(), {}, {})


async def test_every_checkpoint_of_a_run_names_its_attempt(site: Site) -> None:
    site.tools = dict(TOOLS)
    site.script.when(says("set"), Replies.tool("time__set", {"q": "noon"}))
    async with site.house() as house:
        run = await ask(house, "set the clock", agent_id="clock")
        await waiting(house, run)
    async with open_checkpoints(site.database_url, site.folder) as checkpoints:
        thread = RunnableConfig(configurable={"thread_id": run.id})
        told = [each.metadata.get(ATTEMPT) async for each in checkpoints.saver.alist(thread)]
    assert len(told) > 2
    assert set(told) == {1}
