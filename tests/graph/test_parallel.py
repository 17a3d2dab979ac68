"""Steps that do not wait for each other run side by side, and words arrive while they are made."""

import asyncio
from contextlib import aclosing

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from graph.events import ModelDelta, RunEvent, StepCompleted, ToolCallStarted
from graph.outbox import Outbox
from mcp_config.tools import ToolCall, ToolResult
from tests.graph.conftest import Stage, plan, synthesizes
from tests.graph.laws import check_laws
from tests.graph.workbench import Keeper, Tool, Workbench, returning
from tests.support.scripted_model import Replies, has_result, plans, prompted, says
from tests.support.waiting import PATIENCE, until


async def test_independent_steps_run_in_parallel(stage: Stage) -> None:
    """Each agent's model answers only after the other's was asked."""
    gate = asyncio.Event()
    stage.script.when(plans, plan({"agent": "sql", "task": "orders"}, {"agent": "clock", "task": "time"}))
    stage.script.when(prompted("you are sql"), Replies.text("four").held(gate))
    stage.script.when(prompted("you are clock"), Replies.text("noon").held(gate))
    stage.script.when(synthesizes, Replies.text("four at noon"))
    keeper = stage.keeper("orders and time")

    keeping = asyncio.create_task(keeper.keep(stage.runner(Workbench(), InMemorySaver())))
    await stage.script.requested(prompted("you are sql"))
    await stage.script.requested(prompted("you are clock"))
    gate.set()
    await asyncio.wait_for(keeping, PATIENCE)

    check_laws(keeper.log)


async def test_calls_of_one_turn_run_in_parallel(stage: Stage) -> None:
    together = asyncio.Barrier(3)

    async def meet(call: ToolCall) -> ToolResult:
        await asyncio.wait_for(together.wait(), PATIENCE)
        return ToolResult("ok", f"met {call.arguments['q']}")

    stage.script.when(has_result("met"), Replies.text("done"))
    stage.script.when(says("meet"), Replies.tools(*[("time__meet", {"q": name}) for name in "abc"]))
    keeper = stage.keeper("meet", "clock")

    await keeper.keep(stage.runner(Workbench({"time__meet": Tool(meet)}), InMemorySaver()))

    results = [m["content"] for m in stage.script.requests[-1].messages if m["role"] == "tool"]
    assert results == ["met a", "met b", "met c"], "the model reads the results in the order of its calls"
    check_laws(keeper.log)


async def test_deltas_arrive_while_the_model_still_speaks(stage: Stage) -> None:
    gate = asyncio.Event()
    stage.script.when(says("hello"), Replies.text("one ", "two").held(gate, after=1))
    seen: list[RunEvent] = []

    async with aclosing(stage.runner(Workbench(), InMemorySaver()).run(stage.keeper("hello", "general").run)) as run:
        async for batch in run:
            seen += batch
            if any(isinstance(event, ModelDelta) for event in batch):
                assert not any(isinstance(event, StepCompleted) for event in seen)
                gate.set()

    assert [event.delta for event in seen if isinstance(event, ModelDelta)] == ["one ", "two"]


async def test_what_is_said_while_the_keeper_is_busy_gathers_in_one_batch() -> None:
    outbox, receipt = Outbox(), asyncio.get_running_loop().create_future()
    words: list[RunEvent] = [ModelDelta(run_id="run_1", step_id="step_1", channel="work", delta=d) for d in "abcd"]
    outbox.put(words[:1])
    first = await outbox.take()
    outbox.put(words[1:3], receipt)
    outbox.put(words[3:])
    outbox.close()
    second = await outbox.take()

    assert first is not None
    assert second is not None
    assert (first.events, second.events) == (words[:1], words[1:])
    assert not receipt.done()
    second.acknowledge()
    assert receipt.done()
    assert await outbox.take() is None


async def test_tool_acts_only_after_its_started_event_was_acknowledged(stage: Stage) -> None:
    stage.script.when(has_result("12:00"), Replies.text("Noon."))
    stage.script.when(says("time"), Replies.tools(("time__now", {"q": "a"}), ("time__now", {"q": "b"})))
    bench = Workbench({"time__now": Tool(returning("12:00"))})
    durable: set[str] = set()

    def acts_too_early() -> bool:
        return not {call.id for call in bench.acts} <= durable

    async with aclosing(stage.runner(bench, InMemorySaver()).run(stage.keeper("time?", "clock").run)) as run:
        async for batch in run:
            with pytest.raises(TimeoutError):
                await until(acts_too_early, within=0.03)
            durable |= {event.call_id for event in batch if isinstance(event, ToolCallStarted)}

    assert {call.id for call in bench.acts} == durable
    assert len(durable) == 2


async def test_closing_the_run_ends_its_work(stage: Stage) -> None:
    """Also while a tool waits for its receipt, and while one is at work."""
    cancelled = asyncio.Event()

    async def linger(call: ToolCall) -> ToolResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    stage.script.always(says("time"), Replies.tool("time__now"))
    bench = Workbench({"time__now": Tool(linger)})
    before = asyncio.all_tasks()
    for stop_at in ("tool.call.started", None):
        run = stage.runner(bench, InMemorySaver()).run(stage.keeper("time?", "clock").run)
        async for batch in run:
            if any(event.type == stop_at for event in batch):
                break
            if stop_at is None and any(event.type == "tool.call.started" for event in batch):
                waiting = asyncio.create_task(anext(run))
                await until(lambda: bool(bench.acts))
                waiting.cancel()
                await asyncio.wait([waiting])
                break
        await run.aclose()

    assert cancelled.is_set()
    await until(lambda: {task for task in asyncio.all_tasks() - before if "run_" in task.get_name()} == set())


async def test_unexpected_error_reaches_the_keeper_after_what_was_said(stage: Stage) -> None:
    async def burst(call: ToolCall) -> ToolResult:
        raise ZeroDivisionError

    stage.script.when(says("time"), Replies.tool("time__now"))
    keeper: Keeper = stage.keeper("time?", "clock")
    error: Exception | None = None
    try:
        await keeper.keep(stage.runner(Workbench({"time__now": Tool(burst)}), InMemorySaver()))
    except ZeroDivisionError as caught:
        error = caught

    assert error is not None
    assert keeper.types[-1] == "tool.call.started"
