"""Runs from the queue to their end: turns, readers, cancelling, failing."""

import asyncio

import pytest
import structlog

from graph.events import RunFailed, StepFailed, ToolCallResult
from mcp_config.tools import ToolCall, ToolResult
from server.errors import Conflict, Invalid, NotFound, Unavailable
from server.resources.conversations import NewConversation
from server.resources.pages import PageQuery
from server.resources.runs import NewRun
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final, read_to_end, read_until, transcript
from tests.graph.conftest import plan
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool, returning
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans, says
from tests.support.waiting import PATIENCE


async def test_routed_run_is_answered_stored_and_readable_in_parts(house: House, scripted_model: ScriptedModel) -> None:
    house.tools.tools = {"time__now": Tool(returning("12:00"))}
    scripted_model.when(plans, plan({"agent": "clock"}).costing(7, 3))
    scripted_model.when(has_result("12:00"), Replies.text("It is ", "noon.").costing(20, 4))
    scripted_model.when(says("time"), Replies.tool("time__now", {"q": "Tokyo"}).costing(10, 5))

    run = await ask(house, "what time is it?", agent_id="router")
    assert (run.status, run.attempt) == ("queued", 0)
    log = await read_to_end(house, run.id)

    check_laws(log)
    ended = await house.store.runs.get(OWNER, run.id)
    assert (ended.status, ended.attempt, ended.usage.total_tokens) == ("completed", 1, 49)
    assert await transcript(house, run.conversation_id) == ["what time is it?", "It is noon."]
    steps = await house.store.runs.steps(OWNER, run.id)
    assert [(step.kind, step.status, [call.result for call in step.tool_calls]) for step in steps] == [
        ("plan", "completed", []),
        ("agent", "completed", ["12:00"]),
    ]
    assert sum(step.usage.total_tokens for step in steps) == ended.usage.total_tokens
    for after in (0, 3, len(log)):
        assert await read_to_end(house, run.id, after) == log[after:]


async def test_run_reads_the_conversation_before_it(house: House, scripted_model: ScriptedModel) -> None:
    scripted_model.when(says("second"), Replies.text("two"))
    scripted_model.when(says("first"), Replies.text("one"))
    first = await ask(house, "the first")
    await read_to_end(house, first.id)
    await final(house, await ask(house, "the second", first.conversation_id))
    told = [message["content"] for message in scripted_model.requests[-1].messages[1:]]
    assert told == ["the first", "one", "the second"]


async def test_conversations_runs_wait_for_one_another_and_others_do_not(
    house: House, scripted_model: ScriptedModel
) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("slow"), Replies.text("slowly").held(gate))
    scripted_model.when(says("next"), Replies.text("then"))
    scripted_model.when(says("other"), Replies.text("at once"))
    slow = await ask(house, "slow one")
    waiting = await ask(house, "next one", slow.conversation_id)
    other = await ask(house, "other one")
    assert (await final(house, other)).status == "completed"
    assert (await house.store.runs.get(OWNER, waiting.id)).status == "queued"
    gate.set()
    assert (await final(house, waiting)).status == "completed"
    told = [message["content"] for message in scripted_model.requests[-1].messages[1:]]
    assert told == ["slow one", "slowly", "next one"]


@pytest.mark.exhaustive
async def test_runs_beyond_the_limit_wait_for_a_slot(site: Site, scripted_model: ScriptedModel) -> None:
    gate = asyncio.Event()
    scripted_model.always(says("x"), Replies.text("done").held(gate))
    async with site.house(concurrency=2) as house:
        runs = [await ask(house, f"x {number}") for number in range(5)]
        await scripted_model.requested(count=2)
        states = [(await house.store.runs.get(OWNER, run.id)).status for run in runs]
        assert sorted(states) == ["queued"] * 3 + ["running"] * 2
        gate.set()
        assert {(await final(house, run)).status for run in runs} == {"completed"}


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_readers_see_each_word_as_it_comes(house: House, scripted_model: ScriptedModel) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("hello"), Replies.text("one ", "two").held(gate, after=1))
    run = await ask(house, "hello")
    delta = await read_until(house, run.id, "model.delta")
    assert delta.model_dump()["delta"] == "one "
    gate.set()
    check_laws(await read_to_end(house, run.id))


async def test_lost_reader_ends_no_run(house: House, scripted_model: ScriptedModel) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("hello"), Replies.text("one ", "two").held(gate, after=1))
    run = await ask(house, "hello")
    await read_until(house, run.id, "model.delta")
    assert house.store.feed.readers == 0
    gate.set()
    assert (await final(house, run)).status == "completed"


async def test_cancel_reaches_the_model_and_the_conversation_goes_on(
    house: House, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(says("hello"), Replies.text("one ", "two").stalled(after=1))
    scripted_model.when(says("again"), Replies.text("fine"))
    run = await ask(house, "hello")
    await read_until(house, run.id, "model.delta")
    assert (await house.engine.wait_for_end(OWNER, run.id, 0.01)).status == "running"
    assert (await house.engine.cancel(OWNER, run.id)).status == "running"
    assert (await house.engine.wait_for_end(OWNER, run.id, 5)).status == "cancelled"
    log = await read_to_end(house, run.id)
    async with asyncio.timeout(PATIENCE):
        await scripted_model.requests[0].gone.wait()
    check_laws(log)
    assert log[-1].type == "run.cancelled"
    cancelled = await house.engine.cancel(OWNER, run.id)
    assert cancelled.status == "cancelled"
    assert await house.engine.cancel(OWNER, run.id) == cancelled
    again = await ask(house, "again", run.conversation_id)
    assert (await final(house, again)).status == "completed"


async def test_cancel_in_a_tool_call_closes_the_call(house: House, scripted_model: ScriptedModel) -> None:
    released = asyncio.Event()

    async def hang(call: ToolCall) -> ToolResult:
        try:
            await asyncio.Event().wait()
        finally:
            released.set()
        raise AssertionError

    house.tools.tools = {"time__now": Tool(hang)}
    scripted_model.when(says("time"), Replies.tool("time__now", {}))
    run = await ask(house, "time", agent_id="clock")
    await read_until(house, run.id, "tool.call.started")
    await asyncio.gather(*(house.engine.cancel(OWNER, run.id) for _ in range(3)))
    log = await read_to_end(house, run.id)
    check_laws(log)
    results = [event for event in log if isinstance(event, ToolCallResult)]
    assert [(event.status, event.error.code if event.error else None) for event in results] == [
        ("cancelled", "cancelled")
    ]
    assert released.is_set()


async def test_cancelling_a_waiting_run_lets_the_one_behind_it_through(
    house: House, scripted_model: ScriptedModel
) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("first"), Replies.text("1").held(gate))
    scripted_model.when(says("third"), Replies.text("3"))
    first = await ask(house, "first")
    second = await ask(house, "second", first.conversation_id)
    third = await ask(house, "third", first.conversation_id)
    assert (await house.engine.cancel(OWNER, second.id)).status == "cancelled"
    assert [event.type for event in await read_to_end(house, second.id)] == ["run.started", "run.cancelled"]
    gate.set()
    assert (await final(house, third)).status == "completed"


@pytest.mark.exhaustive
async def test_broken_graph_ends_its_run_with_a_name_and_no_details(
    house: House, scripted_model: ScriptedModel
) -> None:
    async def explode(call: ToolCall) -> ToolResult:
        raise RuntimeError("secret detail")

    house.tools.tools = {"time__now": Tool(explode)}
    scripted_model.when(says("time"), Replies.tool("time__now", {}))
    scripted_model.when(says("hello"), Replies.text("hi"))
    with structlog.testing.capture_logs() as logged:
        run = await ask(house, "time", agent_id="clock")
        log = await read_to_end(house, run.id)
    check_laws(log)
    assert [str(entry["exc_info"]) for entry in logged if entry["event"] == "run broke"] == ["secret detail"]
    end = log[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "internal_error"
    assert "secret" not in end.model_dump_json()
    assert any(isinstance(event, StepFailed) for event in log)
    assert (await final(house, await ask(house, "hello", run.conversation_id))).status == "completed"


async def test_run_for_an_unknown_agent_is_refused(house: House) -> None:
    conversation = await house.store.conversations.create(OWNER, NewConversation())
    with pytest.raises(Invalid) as refusal:
        await house.engine.create_run(OWNER, "user", conversation.id, NewRun(agent_id="nobody"))
    assert (refusal.value.code, refusal.value.pointer) == ("unknown_agent", "/agent_id")
    with pytest.raises(Conflict):
        await house.engine.create_run(OWNER, "user", conversation.id, NewRun(agent_id="general"))
    assert (await house.store.runs.page(OWNER, conversation.id, PageQuery())).data == []


async def test_another_owner_neither_cancels_nor_reads(house: House, scripted_model: ScriptedModel) -> None:
    scripted_model.when(says("hello"), Replies.text("hi"))
    run = await ask(house, "hello")
    with pytest.raises(NotFound):
        await house.engine.cancel("eve", run.id)
    with pytest.raises(NotFound):
        await anext(house.engine.follow("eve", run.id))
    with pytest.raises(NotFound):
        await house.engine.create_run("eve", "user", run.conversation_id, NewRun(agent_id="general"))
    await final(house, run)


async def test_second_engine_on_one_folder_is_refused(site: Site) -> None:
    async with site.house():
        with pytest.raises(Unavailable) as refusal:
            async with site.house():
                raise AssertionError("two engines at once")
    assert refusal.value.code == "engine_running"
