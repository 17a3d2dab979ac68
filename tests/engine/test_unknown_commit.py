"""A connection to PostgreSQL that is lost in COMMIT: nobody can say whether it was done, and nothing is done twice."""

import asyncio
from pathlib import Path

import pytest

from tests.engine.conftest import Site
from tests.engine.talk import OWNER, ask, read_to_end, transcript
from tests.engine.test_approvals import TOOLS
from tests.graph.laws import check_laws
from tests.support.lossy_postgres import open_lossy_postgres
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(b"run.started", id="first events"),
        pytest.param(b"UPDATE runs SET status", id="claim"),
        pytest.param(b"a word that is counted", id="words"),
        pytest.param(b"run.completed", id="end"),
    ],
)
async def test_nothing_is_written_twice_and_the_run_ends(
    tmp_path: Path, postgres_database: str, scripted_model: ScriptedModel, lost: bytes
) -> None:
    scripted_model.always(says("hello"), Replies.text("a word that is counted", ", once"))
    async with (
        open_lossy_postgres(postgres_database, tmp_path) as (proxy, url),
        Site(tmp_path, url, scripted_model).house() as house,
    ):
        proxy.marked = lost
        run = await ask(house, "hello")
        log = await read_to_end(house, run.id)
        assert (await house.store.runs.get(OWNER, run.id)).status == "completed"
        said = await transcript(house, run.conversation_id)
    assert proxy.cuts == 1
    check_laws(log)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert said == ["hello", "a word that is counted, once"]
    assert len(scripted_model.requests) == 1


async def test_run_that_is_claimed_anew_is_not_stranded(
    tmp_path: Path, postgres_database: str, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(says("hello"), Replies.text("half", "gone").reset(after=1), Replies.text("All of it."))
    async with (
        open_lossy_postgres(postgres_database, tmp_path) as (proxy, url),
        Site(tmp_path, url, scripted_model).house() as house,
    ):
        proxy.marked = b"UPDATE runs SET attempt"
        run = await ask(house, "hello")
        log = await read_to_end(house, run.id)
        ended = await house.store.runs.get(OWNER, run.id)
        said = await transcript(house, run.conversation_id)
    assert (proxy.cuts, ended.status, ended.attempt) == (1, "completed", 2)
    check_laws(log)
    assert said == ["hello", "All of it."]


async def test_reader_is_let_go_where_the_run_waits_also_when_the_word_of_it_was_lost(
    tmp_path: Path, postgres_database: str, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(says("set"), Replies.tool("time__set", {"q": "noon"}))
    async with (
        open_lossy_postgres(postgres_database, tmp_path) as (proxy, url),
        Site(tmp_path, url, scripted_model, TOOLS).house() as house,
    ):
        proxy.marked = b"FOR UPDATE"  # of the run, when it is to wait
        run = await ask(house, "set the clock", agent_id="clock")
        async with asyncio.timeout(PATIENCE):
            read = [event.type async for event in house.engine.follow(OWNER, run.id, until_waiting=True)]
        waits = await house.store.runs.get(OWNER, run.id)
    assert (proxy.cuts, waits.status, read[-1]) == (1, "requires_action", "approval.requested")
