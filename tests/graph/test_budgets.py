"""Budgets: counted over the whole run, held before anything is dispatched, named when they end it."""

import asyncio
from dataclasses import replace

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from config.agents import Limits, Price
from config.ids import new_id
from graph.events import Plan, PlannedStep, RunFailed, StepCompleted, StepStarted, ToolCallResult
from graph.forking import DoneStep, HeadStart
from mcp_config.tools import JsonObject, ToolCall, ToolResult
from nodes.budget import Bound
from nodes.models.priced import PricedModel
from tests.graph.conftest import Stage, agent, plan, synthesizes
from tests.graph.laws import check_laws
from tests.graph.workbench import Death, Keeper, Tool, Workbench, returning
from tests.support.scripted_model import Replies, plans, prompted, says
from tests.support.waiting import PATIENCE

PAIR: tuple[JsonObject, JsonObject] = ({"agent": "sql", "task": "count"}, {"agent": "clock", "task": "time"})


def bounded(stage: Stage, limits: Limits, agent_id: str = "router", setter: str = "the request") -> Keeper:
    keeper = stage.keeper("count, then the time", agent_id)
    return replace(keeper, run=replace(keeper.run, bounds=[Bound(limits, setter)]))


def exceeded(keeper: Keeper) -> str:
    check_laws(keeper.log)
    end = keeper.log[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "budget_exceeded"
    return end.error.detail


def script_pair(stage: Stage) -> None:
    stage.script.when(plans, plan(*PAIR))
    stage.script.when(prompted("you are sql"), Replies.text("Four"))
    stage.script.when(prompted("you are clock"), Replies.text("noon"))
    stage.script.when(synthesizes, Replies.text("Four at noon"))


async def test_steps_include_planning_and_synthesis_and_none_begins_that_cannot_be_followed(stage: Stage) -> None:
    script_pair(stage)
    keeper = bounded(stage, Limits(steps=3))

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert exceeded(keeper) == "the limit steps = 3, set by the request, is used up: the run needs 4 steps"
    assert len(stage.script.requests) == 1, "nothing but the plan was asked for"


async def test_plan_is_not_made_where_no_step_could_follow(stage: Stage) -> None:
    keeper = bounded(stage, Limits(steps=1))

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert "the run needs 2 steps" in exceeded(keeper)
    assert not stage.script.requests


async def test_steps_that_a_fork_takes_over_count_while_it_works_as_they_do_in_its_log(stage: Stage) -> None:
    stage.script.when(synthesizes, Replies.text("Four at noon"))
    planned = [PlannedStep(id=new_id("step"), agent="clock", task=task) for task in ("count", "time")]
    done = tuple(DoneStep(id=each.id, agent=each.agent, task=each.task, output="four") for each in planned)
    keeper = bounded(stage, Limits(steps=4))
    keeper.run = replace(keeper.run, head_start=HeadStart(plan=Plan(steps=tuple(planned)), done=done))

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    check_laws(keeper.log)
    started = {event.step_id for event in keeper.log if isinstance(event, StepStarted)}
    assert (keeper.types[-1], len(started)) == ("run.completed", 4)
    assert keeper.run.spending.steps.keys() == started, "what is read from the log after a restart"


async def test_run_that_just_keeps_all_its_limits_completes(stage: Stage) -> None:
    script_pair(stage)
    keeper = bounded(stage, Limits(steps=4, tokens=60, tool_calls=1, seconds=60))

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert keeper.types[-1] == "run.completed"
    check_laws(keeper.log)


async def test_tokens_are_counted_over_all_steps_and_no_model_is_asked_once_they_are_used_up(stage: Stage) -> None:
    script_pair(stage)
    keeper = bounded(stage, Limits(tokens=45))  # each call takes 15

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert exceeded(keeper) == "the limit tokens = 45, set by the request, is used up: the run took 45 tokens"
    assert len(stage.script.requests) == 3, "the synthesis was not asked for"


async def test_tokens_are_estimated_and_held_where_the_provider_tells_none(stage: Stage) -> None:
    stage.script.when(says("time"), Replies.text("noon " * 60).costing(0, 0))
    keeper = bounded(stage, Limits(tokens=100), "clock")

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    taken = keeper.run.spending.usage
    assert exceeded(keeper).endswith(
        f"is used up: the run took {taken.tokens} tokens by estimate, for its provider tells no counts"
    )
    assert (taken.output_tokens, taken.estimated) == (101, True), "three bytes a token"
    assert taken.input_tokens > 10


async def test_tightest_limit_wins_and_its_setter_is_named(stage: Stage) -> None:
    stage.cast(agent("clock", "time__*", limits=Limits(tool_calls=5)))
    stage.script.when(says("time"), Replies.tools(*[("time__now", {"q": str(number)}) for number in range(3)]))
    bench = Workbench({"time__now": Tool(returning("12:00"))})
    keeper = bounded(stage, Limits(tool_calls=9), "clock")
    bounds = [*keeper.run.bounds, Bound(Limits(tool_calls=2), "tool_policies.yaml")]
    keeper = replace(keeper, run=replace(keeper.run, bounds=bounds))

    await keeper.keep(stage.runner(bench, InMemorySaver()))

    assert "tool_calls = 2, set by tool_policies.yaml, is used up: the run asked for 3 tool calls" in exceeded(keeper)
    assert not bench.acts


async def test_tool_calls_of_parallel_steps_share_one_budget(stage: Stage) -> None:
    stage.script.when(plans, plan(*PAIR))
    stage.script.when(prompted("you are sql"), Replies.tool("sql__query", {"q": "1"}), Replies.text("Four"))
    stage.script.when(prompted("you are clock"), Replies.tool("time__now", {"q": "1"}), Replies.text("noon"))
    bench = Workbench({"time__now": Tool(returning("12:00")), "sql__query": Tool(returning("4"))})
    keeper = bounded(stage, Limits(tool_calls=1))

    await keeper.keep(stage.runner(bench, InMemorySaver()))

    assert "the run asked for 2 tool calls" in exceeded(keeper)
    assert len(bench.acts) <= 1


@pytest.mark.slow
async def test_seconds_end_a_hung_model(stage: Stage) -> None:
    stage.script.when(says("time"), Replies.text("No", "on").stalled(after=1))
    keeper = bounded(stage, Limits(seconds=1), "clock")

    await asyncio.wait_for(keeper.keep(stage.runner(Workbench(), InMemorySaver())), PATIENCE)

    assert exceeded(keeper) == (
        "the limit seconds = 1, set by the request, is used up: the run was at work for 1 seconds"
    )
    await asyncio.wait_for(stage.script.requests[0].gone.wait(), PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize("setter", ["the request", "the agent clock"])
async def test_seconds_end_a_hung_tool_and_its_call_is_closed(stage: Stage, setter: str) -> None:
    let_go = asyncio.Event()

    async def hang(call: ToolCall) -> ToolResult:
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()
        raise AssertionError

    own = Limits(seconds=1)
    stage.cast(agent("clock", "time__*", limits=own if setter == "the agent clock" else None), agent("general"))
    stage.script.when(plans, plan({"agent": "clock"}))
    stage.script.when(says("time"), Replies.tool("time__now"))
    keeper = bounded(stage, own if setter == "the request" else Limits())

    await asyncio.wait_for(keeper.keep(stage.runner(Workbench({"time__now": Tool(hang)}), InMemorySaver())), PATIENCE)

    assert f"seconds = 1, set by {setter}" in exceeded(keeper)
    assert [event.status for event in keeper.log if isinstance(event, ToolCallResult)] == ["cancelled"]
    await asyncio.wait_for(let_go.wait(), PATIENCE)


async def test_earlier_attempts_count(stage: Stage) -> None:
    script_pair(stage)
    keeper = bounded(stage, Limits(tokens=100, seconds=60))
    runner = stage.runner(Workbench(), InMemorySaver())

    assert not await keeper.keep(runner, Death(batch=2, written=True))
    taken = keeper.run.spending.usage.tokens
    keeper.run.spending.seconds = 60.0
    await keeper.keep(runner)

    assert taken >= 15
    assert "the limit seconds = 60" in exceeded(keeper)


async def test_what_failed_calls_took_is_in_the_runs_usage(stage: Stage) -> None:
    stage.script.when(plans, Replies.text("not a plan").costing(4, 1), plan({"agent": "clock"}).costing(7, 3))
    stage.script.when(says("time"), Replies.text("").costing(20, 0))
    stage.script.when(says("was empty"), Replies.text("").costing(30, 0))
    keeper = bounded(stage, Limits())
    stage.script.when(plans, plan({"agent": "general"}).costing(5, 5))
    stage.script.when(prompted("you are general"), Replies.text("Noon").costing(2, 2))

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    check_laws(keeper.log)
    spending = keeper.run.spending
    ends = {event.step_id: event.usage.total_tokens for event in keeper.log if isinstance(event, StepCompleted)}
    steps = [event.step_id for event in keeper.log if isinstance(event, StepStarted)]
    assert [ends.get(step) for step in steps] == [15, None, 10, 4]
    assert [spending.usage_of(step).tokens for step in steps] == [15, 50, 10, 4]
    assert spending.usage.tokens == 79


async def test_cost_is_held_to_its_limit(stage: Stage) -> None:
    stage.models.model = PricedModel(stage.models.model, Price(input=100, output=1000))
    script_pair(stage)
    keeper = bounded(stage, Limits(cost_usd=0.01))  # each call costs $0.006

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert exceeded(keeper).startswith("the limit cost_usd = 0.01, set by the request, is used up: the run cost $0.01")
