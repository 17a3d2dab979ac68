"""A server that is going: it begins nothing, lets what is at work come to a good place, and loses nothing."""

import asyncio

import pytest

from graph.events import RunResumed, ToolCallResult
from mcp_config.tools import ToolCall, ToolResult
from tests.engine.conftest import Site
from tests.engine.talk import OWNER, ask, final, read_to_end, read_until
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import PATIENCE


async def test_drained_run_ends_its_tool_call_and_goes_on_after_the_next_start(
    site: Site, scripted_model: ScriptedModel
) -> None:
    gate, acts = asyncio.Event(), list[str]()

    async def act(call: ToolCall) -> ToolResult:
        acts.append(call.id)
        await gate.wait()
        return ToolResult("ok", "12:00")

    site.tools = {"time__now": Tool(act)}
    scripted_model.when(has_result("12:00"), Replies.text("It is noon."))
    scripted_model.when(says("time"), Replies.tool("time__now", {}))
    async with site.house() as house:
        run = await ask(house, "time?", agent_id="clock")
        await read_until(house, run.id, "tool.call.started")
        house.engine.drain()
        late = await ask(house, "time, again?", agent_id="clock")
        gate.set()
        async with asyncio.timeout(PATIENCE):
            await house.engine.drained()
        assert [(await house.store.runs.get(OWNER, each.id)).status for each in (run, late)] == ["queued", "queued"]
        assert len(scripted_model.requests) == 1
    scripted_model.when(says("again"), Replies.text("Still noon."))
    async with site.house() as house:
        log = await read_to_end(house, run.id)
        assert (await final(house, late)).status == "completed"
    check_laws(log)
    assert [event.attempt for event in log if isinstance(event, RunResumed)] == [2]
    assert [event.status for event in log if isinstance(event, ToolCallResult)] == ["ok"]
    assert log[-1].type == "run.completed"
    assert len(acts) == 1


@pytest.mark.slow
async def test_run_that_completes_while_the_server_drains_is_completed(
    site: Site, scripted_model: ScriptedModel
) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("hello"), Replies.text("one ", "two").held(gate, after=1))
    async with site.house() as house:
        run = await ask(house, "hello")
        await read_until(house, run.id, "model.delta")
        house.engine.drain()
        gate.set()
        async with asyncio.timeout(PATIENCE):
            await house.engine.drained()
        ended = await house.store.runs.get(OWNER, run.id)
    assert ended.status in ("completed", "queued")
    async with site.house() as house:
        log = await read_to_end(house, run.id)
    check_laws(log)
    assert log[-1].type == "run.completed"
    assert len(scripted_model.requests) == 1
