"""A run that asks a person suspends, and goes on with the answer: no model call and no tool call is made again."""

from dataclasses import replace

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graph.builder import build_graph
from graph.events import ToolCallResult, ToolCallStarted
from mcp_config.tools import Answer
from nodes.context import RunContext
from nodes.state import RunState
from tests.graph.conftest import Stage, plan, synthesizes
from tests.graph.laws import check_laws
from tests.graph.test_resume import copy_of
from tests.graph.workbench import RULE, Death, Tool, Workbench, returning
from tests.support.scripted_model import Replies, has_result, plans, prompted, says


def bench() -> Workbench:
    return Workbench(
        {
            "time__set": Tool(returning("clock set"), asks=True),
            "time__now": Tool(returning("12:00")),
            "sql__count": Tool(returning("4 rows"), asks=True),
        }
    )


def script_one_step(stage: Stage) -> None:
    """Two calls at once, of which one is asked about; words before them, so that a repeated turn would show."""
    both = replace(Replies.tools(("time__set", {"q": "noon"}), ("time__now", {})), chunks=("Let me see.",))
    stage.script.always(has_result("12:00"), Replies.text("done"))
    stage.script.always(says("set the clock"), both)


async def test_run_stops_at_a_question_and_its_other_call_is_made(stage: Stage) -> None:
    script_one_step(stage)
    tools, keeper = bench(), stage.keeper("set the clock", "clock")
    await keeper.keep(stage.runner(tools, InMemorySaver()))
    assert not keeper.ended
    assert [(call.tool, call.arguments) for call in tools.acts] == [("time__now", {})]
    [asked] = keeper.asked
    assert (asked.tool, asked.arguments, asked.rule) == ("time__set", {"q": "noon"}, RULE)
    assert asked.call_id not in {event.call_id for event in keeper.log if isinstance(event, ToolCallStarted)}


@pytest.mark.parametrize(
    ("answer", "acted", "told"),
    [
        (Answer("approve"), {"q": "noon"}, "clock set"),
        (Answer("edit", {"q": "one"}), {"q": "one"}, 'other arguments: {"q": "one"}]\n\nclock set'),
        (Answer("reject", reason="it is right"), None, "rejected by a person: it is right"),
        (Answer("expire"), None, "nobody approved it in time"),
    ],
)
async def test_answered_run_goes_on_where_it_stopped(
    stage: Stage, answer: Answer, acted: dict[str, str] | None, told: str
) -> None:
    script_one_step(stage)
    tools, keeper, saver = bench(), stage.keeper("set the clock", "clock"), InMemorySaver()
    await keeper.keep(stage.runner(tools, saver))
    asked_before = len(stage.script.requests)
    keeper.answers["time__set"] = answer
    await keeper.keep(stage.runner(tools, saver))
    check_laws(keeper.log)
    assert keeper.ended
    assert len(stage.script.requests) == asked_before + 1, "only the turn after the calls"
    assert any(told in result for result in stage.script.requests[-1].tool_results)
    assert [call.tool for call in tools.acts].count("time__now") == 1
    assert [call.arguments for call in tools.acts if call.tool == "time__set"] == ([acted] if acted else [])
    assert keeper.deltas().endswith("Let me see.\n\ndone"), "the words so far are said again in the new attempt"


async def test_question_is_put_once_however_often_the_run_is_taken_up(stage: Stage) -> None:
    script_one_step(stage)
    tools, keeper, saver = bench(), stage.keeper("set the clock", "clock"), InMemorySaver()
    for _ in range(3):
        await keeper.keep(stage.runner(tools, saver))
    assert len(keeper.asked) == 1
    assert len(tools.acts) == 1
    keeper.answers["time__set"] = Answer("approve")
    await keeper.keep(stage.runner(tools, saver))
    check_laws(keeper.log)
    assert [call.tool for call in tools.acts] == ["time__now", "time__set"]


def script_two_steps(stage: Stage) -> None:
    script = stage.script
    script.always(plans, plan({"agent": "sql", "task": "orders"}, {"agent": "clock", "task": "set the clock"}))
    script.always(synthesizes, Replies.text("All ", "is well"))
    script.always(has_result(), Replies.text("noted"))
    script.always(prompted("you are sql"), replace(Replies.tool("sql__count"), chunks=("Let me count.",)))
    script.always(prompted("you are clock"), Replies.tools(("time__set", {"q": "noon"}), ("time__now", {})))


async def test_several_questions_of_one_run_are_answered_one_by_one(stage: Stage) -> None:
    script_two_steps(stage)
    tools, keeper, saver = bench(), stage.keeper("orders, and set the clock"), InMemorySaver()
    await keeper.keep(stage.runner(tools, saver))
    assert {event.tool for event in keeper.asked} == {"sql__count", "time__set"}
    keeper.answers["sql__count"] = Answer("approve")
    await keeper.keep(stage.runner(tools, saver))
    assert not keeper.ended
    keeper.answers["time__set"] = Answer("approve")
    await keeper.keep(stage.runner(tools, saver))
    check_laws(keeper.log)
    assert sorted(call.tool for call in tools.acts) == ["sql__count", "time__now", "time__set"]
    assert keeper.deltas().endswith("All is well")


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("abrupt", [True, False])
@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_death_at_any_batch_around_a_question_breaks_no_law(
    stage: Stage, abrupt: bool, written: bool, decision: str
) -> None:
    script_two_steps(stage)
    answer = Answer("approve") if decision == "approve" else Answer("reject", reason="no")
    for attempt_of_death in (0, 1):
        batch = 0
        while await _die_and_end(stage, answer, attempt_of_death, Death(batch, written), abrupt=abrupt):
            batch += 1
        assert batch > 1


async def _die_and_end(stage: Stage, answer: Answer, attempt_of_death: int, death: Death, *, abrupt: bool) -> bool:
    """Carries a run that dies once in the attempt; returns whether it got to die."""
    keeper, tools, saver = stage.keeper("orders, and set the clock"), bench(), InMemorySaver()
    kept: list[InMemorySaver] = []
    died = False
    for attempt in range(6):
        dies = attempt == attempt_of_death
        doom = replace(death, moment=lambda saver=saver: kept.append(copy_of(saver))) if dies else None  # type: ignore[misc]
        lived = await keeper.keep(stage.runner(tools, saver), doom)
        died = died or not lived
        if keeper.ended:
            break
        if not lived:
            saver = kept[0] if abrupt else saver
        else:
            keeper.answers |= {event.tool: answer for event in keeper.asked}
    check_laws(keeper.log)
    acted = [call.id for call in tools.acts]
    assert len(acted) == len(set(acted)), "no effect happens twice"
    ends = [event for event in keeper.log if isinstance(event, ToolCallResult)]
    assert answer.decision == "approve" or {call.tool for call in tools.acts} <= {"time__now"}
    assert len(ends) == 3
    return died


async def test_notebook_answers_an_interrupt_with_a_command(stage: Stage) -> None:
    script_one_step(stage)
    tools, run = bench(), stage.keeper("set the clock", "clock").run
    context = RunContext(run.run_id, "someone", stage.agents, stage.models, tools)
    graph = build_graph(stage.agents).compile(checkpointer=InMemorySaver())
    config = RunnableConfig(configurable={"thread_id": "1"})
    begin = RunState(messages=[HumanMessage("set the clock")], agent_id="clock")
    stopped = await graph.ainvoke(begin, config, context=context, version="v2")
    [question] = stopped.interrupts
    assert question.value == {"tool": "time__set", "arguments": {"q": "noon"}, "rule": RULE}
    edit = {"decision": "edit", "arguments": {"q": "one"}}
    ended = await graph.ainvoke(Command(resume=edit), config, context=context, version="v2")
    assert not ended.interrupts
    assert [(call.tool, call.arguments) for call in tools.acts] == [("time__now", {}), ("time__set", {"q": "one"})]


async def test_answer_that_cannot_be_read_allows_nothing(stage: Stage) -> None:
    script_one_step(stage)
    tools = bench()
    context = RunContext(stage.keeper("x").run.run_id, "someone", stage.agents, stage.models, tools)
    graph = build_graph(stage.agents).compile(checkpointer=InMemorySaver())
    config = RunnableConfig(configurable={"thread_id": "1"})
    begin = RunState(messages=[HumanMessage("set the clock")], agent_id="clock")
    await graph.ainvoke(begin, config, context=context, version="v2")
    await graph.ainvoke(Command(resume={"decision": "sure!"}), config, context=context, version="v2")
    assert [call.tool for call in tools.acts] == ["time__now"]
