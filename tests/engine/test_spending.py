"""What a run has spent counts on after a restart, on both databases."""

import asyncio

import pytest

from config.agents import Limits
from graph.events import RunFailed
from mcp_config.tools import ToolCall, ToolResult
from server.resources.conversations import NewConversation, NewMessage
from server.resources.runs import NewRun
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, read_to_end, read_until
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool, returning
from tests.support.scripted_model import Replies, has_result, says


@pytest.fixture
def place(database_url: str) -> str:
    return database_url


async def begin(house: House, limits: Limits) -> str:
    conversation = (await house.store.conversations.create(OWNER, NewConversation())).id
    await house.store.messages.add(OWNER, conversation, NewMessage(content="time?"))
    new = NewRun(agent_id="clock", limits=limits)
    return (await house.engine.create_run(OWNER, "user", conversation, new)).id


async def test_estimated_usage_is_marked_and_counts_on_after_a_restart(site: Site) -> None:
    site.tools = {"time__now": Tool(returning("12:00"), repeatable=True)}
    site.script.when(has_result(), Replies.text("noon"))
    site.script.when(says("time"), Replies.tool("time__now").costing(0, 0))
    async with site.house() as house:
        run_id = await begin(house, Limits())
        await read_to_end(house, run_id)
        run = await house.store.runs.get(OWNER, run_id)
        (step,) = await house.store.runs.steps(OWNER, run_id)
        spent = await house.store.spending.read(run_id)
    assert (run.status, run.usage_estimated, step.usage_estimated) == ("completed", True, True)
    assert spent.usage.estimated
    assert spent.usage.tokens == run.usage.total_tokens == step.usage.total_tokens > 15


async def test_what_was_spent_before_a_restart_counts_after_it(site: Site) -> None:
    async def act(call: ToolCall) -> ToolResult:
        await asyncio.Event().wait()
        raise AssertionError(call)

    site.tools = {"time__now": Tool(act, repeatable=True)}
    site.script.when(has_result(), Replies.tool("time__now", {"q": "again"}).costing(30, 5))
    site.script.when(says("time"), Replies.tool("time__now").costing(20, 5))
    async with site.house() as house:
        run_id = await begin(house, Limits(tokens=50))
        await read_until(house, run_id, "tool.call.started")

    async def answer(call: ToolCall) -> ToolResult:
        return ToolResult("ok", call.id)

    site.tools = {"time__now": Tool(answer, repeatable=True)}
    async with site.house() as house:
        log = await read_to_end(house, run_id)
        spent = await house.store.spending.read(run_id)
    check_laws(log)
    end = log[-1]
    assert isinstance(end, RunFailed)
    assert (end.error.code, end.attempt, end.usage.total_tokens) == ("budget_exceeded", 2, 60)
    assert "the run took 60 tokens" in end.error.detail
    assert (spent.usage.tokens, spent.calls, len(spent.steps)) == (60, 1, 1)
