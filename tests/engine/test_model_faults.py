"""What becomes of a run when its model breaks off, and what it has spent over its attempts."""

import asyncio

import pytest

from config.agents import Limits
from graph.events import ModelDelta, RunFailed, RunResumed, StepCompleted, ToolCallResult
from mcp_config.tools import ToolCall, ToolResult
from server.errors import Invalid
from server.resources.conversations import NewConversation, NewMessage
from server.resources.runs import NewRun
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final, read_to_end, transcript
from tests.graph.conftest import plan, synthesizes
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool, returning
from tests.support.scripted_model import Replies, has_result, plans, says
from tests.support.waiting import until


async def test_answer_that_breaks_off_is_said_anew_in_a_higher_attempt(house: House, site: Site) -> None:
    site.script.when(says("hello"), Replies.text("Half an", " answer").reset(after=1), Replies.text("All ", "of it"))

    run = await ask(house, "hello")
    log = await read_to_end(house, run.id)

    check_laws(log)
    assert [event.type for event in log if isinstance(event, RunResumed)] == ["run.resumed"]
    said = [
        (event.attempt, event.delta) for event in log if isinstance(event, ModelDelta) and event.channel == "answer"
    ]
    assert said == [(1, "Half an"), (2, "All "), (2, "of it")]
    assert (await transcript(house, run.conversation_id))[-1] == "All of it"
    assert any("broke off" in event.delta for event in log if isinstance(event, ModelDelta))


async def test_model_that_always_breaks_off_is_given_up_by_name(house: House, site: Site) -> None:
    site.script.always(says("hello"), Replies.text("Half an", " answer").unfinished())

    log = await read_to_end(house, (await ask(house, "hello")).id)

    check_laws(log)
    end = log[-1]
    assert isinstance(end, RunFailed)
    assert (end.error.code, end.attempt) == ("model_unavailable", 3)
    assert len(site.script.requests) == 3


async def test_how_often_a_model_broke_off_is_known_after_a_restart(site: Site) -> None:
    half, hello = Replies.text("Half an", " answer"), says("hello")
    site.script.when(hello, half.unfinished(), half.unfinished(), half.stalled(after=1))
    async with site.house() as house:
        run = await ask(house, "hello")
        await site.script.requested(hello, 3)
    site.script.always(hello, half.unfinished())
    async with site.house() as house:
        log = await read_to_end(house, run.id)
    check_laws(log)
    end = log[-1]
    assert isinstance(end, RunFailed)
    assert (end.error.code, end.attempt, len(site.script.requests)) == ("model_unavailable", 4, 4)


async def test_tools_are_not_called_again_when_the_answer_after_them_breaks_off(house: House, site: Site) -> None:
    site.tools["time__now"] = Tool(returning("12:00"))
    site.script.when(has_result("12:00"), Replies.text("It ", "is").reset(after=1), Replies.text("It is noon."))
    site.script.when(says("time"), Replies.tool("time__now"))

    run = await ask(house, "what time is it?", agent_id="clock")
    log = await read_to_end(house, run.id)

    check_laws(log)
    assert len(house.tools.acts) == 1
    assert (await transcript(house, run.conversation_id))[-1] == "It is noon."


async def test_synthesis_that_breaks_off_is_said_anew_and_no_step_before_it(house: House, site: Site) -> None:
    site.script.when(plans, plan({"agent": "general", "task": "count"}, {"agent": "clock", "task": "look"}))
    site.script.when(says("count"), Replies.text("four"))
    site.script.when(says("look"), Replies.text("noon"))
    site.script.when(synthesizes, Replies.text("Four ", "at").reset(after=1), Replies.text("Four at noon."))

    run = await ask(house, "both, please", agent_id="router")
    log = await read_to_end(house, run.id)

    check_laws(log)
    assert [event.attempt for event in log if isinstance(event, RunResumed)] == [2]
    assert (await transcript(house, run.conversation_id))[-1] == "Four at noon."
    assert len(site.script.requests) == 5, "only the synthesis is asked for twice"
    ended = await house.store.runs.get(OWNER, run.id)
    assert ended.usage.total_tokens == (await house.store.spending.read(run.id)).usage.tokens


async def test_tool_beside_an_answer_that_breaks_off_ends_and_is_not_called_again(house: House, site: Site) -> None:
    broken = asyncio.Event()

    async def act(call: ToolCall) -> ToolResult:
        await broken.wait()
        return ToolResult("ok", "12:00")

    site.tools["time__now"] = Tool(act)
    site.script.when(plans, plan({"agent": "general", "task": "count"}, {"agent": "clock", "task": "look"}))
    site.script.when(says("count"), Replies.text("fo", "ur").reset(after=1), Replies.text("four"))
    site.script.when(has_result("12:00"), Replies.text("noon"))
    site.script.when(says("look"), Replies.tool("time__now"))
    site.script.when(synthesizes, Replies.text("Four at noon."))

    run = await ask(house, "both, please", agent_id="router")
    await until(lambda: house.tools.acts)
    await until(lambda: broke_off(house, run.id))
    broken.set()
    log = await read_to_end(house, run.id)

    check_laws(log)
    assert [event.attempt for event in log if isinstance(event, RunResumed)] == [2]
    assert (log[-1].type, len(house.tools.acts)) == ("run.completed", 1)
    assert [event.status for event in log if isinstance(event, ToolCallResult)] == ["ok"]


async def broke_off(house: House, run_id: str) -> bool:
    return any("broke off" in event.json for event in await house.store.events.read(run_id))


async def test_limits_of_the_request_hold_and_are_named(house: House, site: Site) -> None:
    site.script.when(says("hello"), Replies.text("Hi"))
    conversation = (await house.store.conversations.create(OWNER, NewConversation())).id
    await house.store.messages.add(OWNER, conversation, NewMessage(content="hello"))
    new = NewRun(agent_id="general", limits=Limits(tokens=10))

    run = await final(house, await house.engine.create_run(OWNER, "user", conversation, new))

    assert run.error is not None
    assert run.error.code == "budget_exceeded"
    assert run.error.detail == "the limit tokens = 10, set by the request, is used up: the run took 15 tokens"


async def test_limit_in_dollars_is_refused_where_a_price_is_missing(house: House) -> None:
    conversation = (await house.store.conversations.create(OWNER, NewConversation())).id
    await house.store.messages.add(OWNER, conversation, NewMessage(content="hello"))
    new = NewRun(agent_id="general", limits=Limits(cost_usd=1))

    with pytest.raises(Invalid, match="no price for openai:scripted") as refused:
        await house.engine.create_run(OWNER, "user", conversation, new)

    assert refused.value.code == "price_unknown"


async def test_steps_add_up_to_the_run_also_where_one_failed(house: House, site: Site) -> None:
    site.script.when(says("hello"), Replies.text("").costing(7, 0))
    site.script.when(says("was empty"), Replies.text("").costing(8, 0))

    run = await final(house, await ask(house, "hello"))

    (step,) = await house.store.runs.steps(OWNER, run.id)
    assert (step.status, run.usage.total_tokens) == ("failed", 15)
    assert step.usage == run.usage
    assert not any(isinstance(event, StepCompleted) for event in await read_to_end(house, run.id))


async def test_what_earlier_attempts_took_is_read_back(house: House, site: Site) -> None:
    site.tools["time__now"] = Tool(returning("12:00"))
    site.script.when(has_result("12:00"), Replies.text("It ", "is").reset(after=1), Replies.text("It is noon."))
    site.script.when(says("time"), Replies.tool("time__now"))

    run = await final(house, await ask(house, "what time is it?", agent_id="clock"))
    spending = await house.store.spending.read(run.id)

    assert (spending.usage.tokens, spending.calls, len(spending.steps)) == (30, 1, 1)
    assert run.usage.total_tokens == 30
    assert spending.seconds > 0
