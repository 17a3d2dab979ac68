"""Runs outlive their process: handed back by one that stops, taken over from one that was killed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from graph.events import RunEvent, RunFailed, RunResumed, ToolCallResult, run_events
from mcp_config.tools import ToolCall, ToolResult
from server.db.feed import LoggedEvent
from server.db.store import open_store
from server.resources.conversations import NewConversation, NewMessage
from server.resources.runs import NewRun
from tests.engine.conftest import Site
from tests.engine.doomed import note_act
from tests.engine.talk import OWNER, ask, final, read_to_end, read_until, transcript
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""


@pytest.fixture
def place(database_url: str) -> str:
    return database_url


@pytest.mark.exhaustive
async def test_stopped_engine_hands_its_run_back_and_the_next_one_ends_it(
    site: Site, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(says("hello"), Replies.text("half a ", "sen").stalled(after=1), Replies.text("A sentence."))
    async with site.house() as house:
        run = await ask(house, "hello")
        await read_until(house, run.id, "model.delta")
        before = await house.store.events.read(run.id)
        reader = asyncio.create_task(read_to_end(house, run.id))
    assert [event.seq for event in await reader] == [event.seq for event in before]
    async with site.house() as house:
        log = await read_to_end(house, run.id)
        check_laws(log)
        assert (await house.store.events.read(run.id))[: len(before)] == before
        assert [event.attempt for event in log if isinstance(event, RunResumed)] == [2]
        assert await transcript(house, run.conversation_id) == ["hello", "A sentence."]


@pytest.mark.exhaustive
async def test_queued_runs_begin_after_a_restart_in_their_order(site: Site, scripted_model: ScriptedModel) -> None:
    scripted_model.when(says("first"), Replies.text("1").stalled(), Replies.text("1"))
    scripted_model.when(says("second"), Replies.text("2"))
    async with site.house() as house:
        first = await ask(house, "first")
        second = await ask(house, "second", first.conversation_id)
        await scripted_model.requested(says("first"))
    async with site.house() as house:
        assert (await final(house, second)).status == "completed"
        assert (await final(house, first)).status == "completed"
        last = (await house.store.runs.get(OWNER, second.id)).message_id
        assert last is not None
        branch = await house.store.messages.branch(last, 10)
        assert [message.content for message in branch] == ["first", "1", "second", "2"]


@pytest.mark.exhaustive
async def test_run_cancelled_while_nobody_carried_it_is_cancelled_at_the_next_start(
    site: Site, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(says("hello"), Replies.text("one ", "two").stalled(after=1))
    async with site.house() as house:
        run = await ask(house, "hello")
        await read_until(house, run.id, "model.delta")
    async with open_store(site.database_url) as store:
        await store.runs.request_cancel(OWNER, run.id)
    async with site.house() as house:
        log = await read_to_end(house, run.id)
    assert [(event.type, event.attempt) for event in log] == [
        ("run.started", 1),
        ("step.started", 1),
        ("model.delta", 1),
        ("run.resumed", 2),
        ("step.failed", 2),
        ("run.cancelled", 2),
    ]


async def test_run_that_took_its_process_down_three_times_is_given_up(site: Site) -> None:
    async with site.house() as house:
        conversation = await house.store.conversations.create(OWNER, NewConversation())
        await house.store.messages.add(OWNER, conversation.id, NewMessage(content="poison"))
        revision = (await house.registry.present()).revision
    async with open_store(site.database_url) as store:
        run = await store.runs.create(OWNER, "user", conversation.id, NewRun(agent_id="general"), revision)
        for _ in range(3):
            assert await store.queue.claim(run.id, lost=True)
    async with site.house() as house:
        end = (await read_to_end(house, run.id))[-1]
        assert isinstance(end, RunFailed)
        assert end.error.code == "worker_lost"


@asynccontextmanager
async def _killed_in_a_tool_call(site: Site, *options: str) -> AsyncIterator[str]:
    """Starts a process that carries a run, kills it in the middle of the tool's act, and yields the run's id."""
    command = (
        sys.executable,
        "-m",
        "tests.engine.doomed",
        str(site.folder),
        site.database_url,
        site.script.base_url,
        *options,
    )
    checkout = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(*command, cwd=checkout, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        async with asyncio.timeout(PATIENCE):
            while not (line := await process.stdout.readline()).startswith(b"run_"):
                assert line, "it ended before it acted"
    finally:
        process.kill()
        await process.wait()
    yield line.decode().strip()


async def _stored(site: Site, run_id: str) -> list[LoggedEvent]:
    async with open_store(site.database_url) as store:
        return await store.events.read(run_id)


async def _finish(site: Site, run_id: str) -> list[RunEvent]:
    """Starts again after a crash, with a tool that works, and returns the run's whole log."""

    async def act(call: ToolCall) -> ToolResult:
        note_act(site.folder)
        return ToolResult("ok", "12:00")

    before = await _stored(site, run_id)
    site.tools = {"time__now": Tool(act, repeatable=site.tools["time__now"].repeatable)}
    async with site.house() as house:
        log = await read_to_end(house, run_id)
        after = await house.store.events.read(run_id)
    assert after[: len(before)] == before
    assert [run_events.validate_json(event.json) for event in after] == log
    check_laws(log)
    return log


async def _never(call: ToolCall) -> ToolResult:
    raise AssertionError(call)


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_effect_is_not_repeated_after_kill_9(site: Site, scripted_model: ScriptedModel) -> None:
    scripted_model.when(has_result(), Replies.text("I do not know whether it was done."))
    scripted_model.when(says("time"), Replies.tool("time__now", {"q": "x"}))
    site.tools = {"time__now": Tool(_never)}
    async with _killed_in_a_tool_call(site) as run_id:
        log = await _finish(site, run_id)
    assert log[-1].type == "run.completed"
    assert [event.status for event in log if isinstance(event, ToolCallResult)] == ["unknown"]
    assert (site.folder / "acts").read_text().count("acted") == 1


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_repeatable_call_is_made_again_after_kill_9(site: Site, scripted_model: ScriptedModel) -> None:
    scripted_model.when(has_result("12:00"), Replies.text("It is noon."))
    scripted_model.when(says("time"), Replies.tool("time__now", {"q": "x"}))
    site.tools = {"time__now": Tool(_never, repeatable=True)}
    async with _killed_in_a_tool_call(site, "repeatable") as run_id:
        log = await _finish(site, run_id)
    assert log[-1].type == "run.completed"
    assert [event.status for event in log if isinstance(event, ToolCallResult)] == ["ok"]
    assert (site.folder / "acts").read_text().count("acted") == 2
