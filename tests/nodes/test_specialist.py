"""A specialist's turns with its model and tools: what it is told, what ends it, what it says."""

from dataclasses import replace

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from config.agents import Limits
from graph.events import RunFailed, StepFailed, ToolCallStarted
from tests.graph.conftest import Stage, agent
from tests.graph.laws import check_laws
from tests.graph.workbench import Keeper, Tool, Workbench, returning
from tests.support.disguised_model import DisguisedModel
from tests.support.scripted_model import Replies, has_result, says


async def keep(stage: Stage, bench: Workbench, question: str = "time?", agent_id: str = "clock") -> Keeper:
    keeper = stage.keeper(question, agent_id)
    assert await keeper.keep(stage.runner(bench, InMemorySaver()))
    check_laws(keeper.log)
    return keeper


def clock() -> Workbench:
    return Workbench({"time__now": Tool(returning("12:00"))})


def failure_of(keeper: Keeper) -> tuple[str, str]:
    end = keeper.log[-1]
    assert isinstance(end, RunFailed)
    return end.error.code, end.error.detail


async def test_only_allowed_tools_are_offered(stage: Stage) -> None:
    stage.script.when(says("time"), Replies.text("Noon."))
    bench = Workbench({"time__now": Tool(returning("")), "sql__query": Tool(returning(""))})

    await keep(stage, bench)

    assert stage.script.requests[0].tools == ["time__now"]


async def test_prompt_begins_with_the_agents_own_words_and_todays_date(stage: Stage) -> None:
    stage.script.when(says("time"), Replies.text("Noon."))

    await keep(stage, clock())

    assert stage.script.requests[0].system.startswith("You are clock.\n\nToday is ")


async def test_unreadable_arguments_are_told_to_the_model(stage: Stage) -> None:
    stage.script.when(has_result("no JSON object"), Replies.text("Sorry."))
    stage.script.when(says("time"), Replies.bad_arguments("time__now"))
    bench = clock()

    keeper = await keep(stage, bench)

    assert keeper.deltas() == "Sorry."
    assert not bench.acts


async def test_unknown_tool_is_told_to_the_model_and_shown(stage: Stage) -> None:
    stage.script.when(has_result("There is no tool"), Replies.text("Sorry."))
    stage.script.when(says("time"), Replies.tool("time__then"))

    keeper = await keep(stage, clock())

    assert keeper.types.count("tool.call.result") == 1


async def test_model_is_told_when_it_repeats_a_call_and_the_third_is_not_made(stage: Stage) -> None:
    stage.script.when(says("time"), *[Replies.tool("time__now", {"q": "x"}) for _ in range(3)], Replies.text("Noon."))
    bench = clock()

    await keep(stage, bench)

    assert len(bench.acts) == 2
    told = stage.script.requests[-1].tool_results
    assert told[0] == "12:00"
    assert told[1].startswith("12:00\n\n[You made this very call before")
    assert told[2].startswith("[This call was not made")


async def test_empty_reply_is_asked_for_once_more(stage: Stage) -> None:
    stage.script.when(says("hello"), Replies.text(""))
    stage.script.when(says("was empty"), Replies.text("Hi"))

    keeper = await keep(stage, Workbench(), "hello", "general")

    assert keeper.deltas() == "Hi"


async def test_second_empty_reply_fails_by_name(stage: Stage) -> None:
    stage.script.when(says("hello"), Replies.text(""))
    stage.script.when(says("was empty"), Replies.text("  "))

    keeper = await keep(stage, Workbench(), "hello", "general")

    assert failure_of(keeper)[0] == "model_bad_output"


async def test_direct_result_is_the_answer_and_is_not_fed_back(stage: Stage) -> None:
    stage.script.when(says("time"), replace(Replies.tool("time__now"), chunks=("Look:",)))
    bench = Workbench({"time__now": Tool(returning("12:00"), return_direct=True)})

    keeper = await keep(stage, bench)

    assert keeper.deltas() == "Look:\n\n12:00"
    assert len(stage.script.requests) == 1


async def test_tool_is_offered_only_after_the_one_that_comes_first(stage: Stage) -> None:
    stage.script.when(has_result("orders(id)"), Replies.text("There are four."))
    stage.script.when(says("count"), Replies.tool("sql__schema"))
    query = Tool(returning("4"), after="sql__schema")
    bench = Workbench({"sql__query": query, "sql__schema": Tool(returning("orders(id)"))})

    await keep(stage, bench, "count", "sql")

    assert [request.tools for request in stage.script.requests] == [["sql__schema"], ["sql__query", "sql__schema"]]


async def test_tool_whose_first_one_is_not_allowed_is_offered_at_once(stage: Stage) -> None:
    stage.script.when(says("time"), Replies.text("Noon."))

    await keep(stage, Workbench({"time__now": Tool(returning("12:00"), after="sql__schema")}))

    assert stage.script.requests[0].tools == ["time__now"]


async def test_failed_direct_call_is_fed_back(stage: Stage) -> None:
    stage.script.when(has_result("broken"), Replies.text("The clock is broken."))
    stage.script.when(says("time"), Replies.tool("time__now"))
    bench = Workbench({"time__now": Tool(returning("broken", "error"), return_direct=True)})

    keeper = await keep(stage, bench)

    assert keeper.deltas() == "The clock is broken."


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(tool_calls=1), "tool_calls = 1, set by the agent clock"),
        (Limits(tokens=20), "tokens = 20, set by the agent clock"),
    ],
)
async def test_agent_over_its_budget_ends_the_run_by_name(stage: Stage, limits: Limits, words: str) -> None:
    stage.cast(agent("clock", "time__*", limits=limits))
    stage.script.when(says("time"), *[Replies.tool("time__now", {"q": str(number)}) for number in range(5)])
    bench = clock()

    keeper = await keep(stage, bench)

    code, detail = failure_of(keeper)
    assert code == "budget_exceeded"
    assert words in detail
    assert len(bench.acts) == 1


async def test_endless_loop_ends_after_a_dozen_turns(stage: Stage) -> None:
    turns = iter(range(100))
    stage.script.when(says("time"), lambda _: Replies.tool("time__now", {"q": str(next(turns))}))

    keeper = await keep(stage, clock())

    assert failure_of(keeper)[0] == "budget_exceeded"
    assert len(stage.script.requests) == 12
    assert sum(isinstance(event, ToolCallStarted) for event in keeper.log) == 11


async def test_wait_for_a_starting_server_is_said(stage: Stage) -> None:
    stage.script.when(says("time"), Replies.text("Noon."))
    bench = clock()
    bench.starting.append("time")
    keeper = stage.keeper("time?", "clock")
    runner = stage.runner(bench)

    async for batch in runner.run(keeper.run):
        keeper.log += batch
        if keeper.deltas("reasoning") and not bench.up.is_set():
            assert not stage.script.requests
            bench.up.set()

    assert keeper.deltas("reasoning") == "Waiting for the time server to start…\n"
    assert keeper.deltas() == "Noon."
    check_laws(keeper.log)


async def test_thoughts_are_reasoning_and_no_part_of_the_answer(stage: Stage) -> None:
    stage.script.when(says("hello"), Replies.text("Hi").thinking("Greet ", "back."))

    keeper = await keep(stage, Workbench(), "hello", "general")

    assert keeper.deltas("reasoning") == "Greet back."
    assert keeper.deltas() == "Hi"


async def test_agent_whose_prompt_does_not_fit_fails_with_what_to_do(stage: Stage) -> None:
    stage.cast(agent("general", prompt="Be careful. " * 1600))
    stage.models.model = DisguisedModel(stage.models.model, context_tokens=4096)

    keeper = await keep(stage, Workbench(), "hello", "general")

    failed = next(event for event in keeper.log if isinstance(event, StepFailed))
    assert failed.error.code == "context_exceeded"
    assert "4096" in failed.error.detail


async def test_calls_beyond_what_is_made_at_once_are_told_to_the_model(stage: Stage) -> None:
    stage.script.when(has_result("at most 16"), Replies.text("Noon."))
    stage.script.when(says("time"), Replies.tools(*[("time__now", {"q": str(number)}) for number in range(50)]))
    bench = clock()

    await keep(stage, bench)

    assert len(bench.acts) == 16
    assert len(stage.script.requests[-1].tool_results) == 50, "each call has its answer"


async def test_arguments_that_stay_unreadable_end_the_step_after_three_repairs(stage: Stage) -> None:
    stage.script.always(says("time"), Replies.bad_arguments("time__now"))

    keeper = await keep(stage, clock())

    assert failure_of(keeper)[0] == "model_bad_output"
    assert len(stage.script.requests) == 4
