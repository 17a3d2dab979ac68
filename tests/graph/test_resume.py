"""A run that was cut off goes on from its checkpoint: nothing is lost, and no finished call is made again."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graph.events import RunResumed, ToolCallResult
from tests.graph.conftest import Stage, plan, synthesizes
from tests.graph.laws import check_laws
from tests.graph.workbench import Death, Keeper, Tool, Workbench, returning
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans, prompted, says


def script_two_steps(script: ScriptedModel) -> None:
    """Two agents side by side, each with a tool; words before the call, so that a retry must say them again."""
    script.always(plans, plan({"agent": "sql", "task": "orders"}, {"agent": "clock", "task": "time"}))
    script.always(synthesizes, Replies.text("Four ", "at noon"))
    script.always(has_result("4 rows"), Replies.text("four"))
    script.always(has_result("12:00"), Replies.text("noon"))
    script.always(prompted("you are sql"), replace(Replies.tool("sql__count"), chunks=("Let me count.",)))
    script.always(prompted("you are clock"), Replies.tool("time__now"))


def bench(*, repeatable: bool) -> Workbench:
    return Workbench(
        {
            "sql__count": Tool(returning("4 rows"), repeatable=repeatable),
            "time__now": Tool(returning("12:00"), repeatable=repeatable),
        }
    )


def copy_of(saver: InMemorySaver) -> InMemorySaver:
    copied = InMemorySaver()
    copied.storage, copied.writes, copied.blobs = copy.deepcopy((saver.storage, saver.writes, saver.blobs))
    return copied


async def test_run_resumes_from_sqlite_without_repeating_a_finished_call(stage: Stage, tmp_path: Path) -> None:
    script_two_steps(stage.script)
    tools = bench(repeatable=False)
    keeper = stage.keeper("orders and time")
    path = str(tmp_path / "checkpoints.db")

    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        died = await _die_after(keeper, stage, tools, saver, lambda: keeper.types.count("tool.call.result") == 2)
    assert died
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        runner = stage.runner(tools, saver)
        assert await keeper.keep(runner)
        await runner.forget(keeper.run.run_id)
        assert [entry async for entry in saver.alist(None)] == []

    assert len(tools.acts) == 2
    assert len([request for request in stage.script.requests if plans(request)]) == 1, "the plan was kept"
    assert keeper.deltas() == "Four at noon"
    check_laws(keeper.log)


async def test_closed_run_writes_nothing_more(stage: Stage, tmp_path: Path) -> None:
    """LangGraph begins to note that its nodes were cancelled, and waits for that no longer."""
    script_two_steps(stage.script)
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        keeper = stage.keeper("orders and time")
        assert await _die_after(keeper, stage, bench(repeatable=True), saver, lambda: len(keeper.log) > 4)
        assert [task for task in asyncio.all_tasks() if "aput" in repr(task)] == []
        assert not saver.conn.in_transaction


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("abrupt", [True, False])
@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("repeatable", [True, False])
async def test_death_at_any_batch_breaks_no_law(stage: Stage, abrupt: bool, written: bool, repeatable: bool) -> None:
    """Abrupt: not even the checkpoints that a cancelled run still writes are kept."""
    script_two_steps(stage.script)
    whole = stage.keeper("orders and time")
    await whole.keep(stage.runner(bench(repeatable=repeatable), InMemorySaver()))
    check_laws(whole.log)

    for batch in range(whole.batches):
        keeper, tools, saver = stage.keeper("orders and time"), bench(repeatable=repeatable), InMemorySaver()
        kept: list[InMemorySaver] = []
        death = Death(batch, written, lambda saver=saver, kept=kept: kept.append(copy_of(saver)))  # type: ignore[misc]
        if not await keeper.keep(stage.runner(tools, saver), death) and not keeper.ended:
            assert await keeper.keep(stage.runner(tools, kept[0] if abrupt else saver))
        check_laws(keeper.log)
        acted = [call.id for call in tools.acts]
        assert repeatable or len(acted) == len(set(acted)), "no effect happens twice"
        if not any(event.status == "unknown" for event in keeper.log if isinstance(event, ToolCallResult)):
            assert keeper.deltas().endswith("Four at noon")


async def test_lost_call_is_not_repeated_and_the_model_is_told(stage: Stage) -> None:
    stage.script.when(has_result("not known whether"), Replies.text("I cannot tell."))
    stage.script.when(says("time"), Replies.tool("time__now"))
    tools, saver = bench(repeatable=False), InMemorySaver()
    keeper = stage.keeper("time?", "clock")

    await _die_after(keeper, stage, tools, saver, lambda: "tool.call.started" in keeper.types)
    assert await keeper.keep(stage.runner(tools, saver))

    result = next(event for event in keeper.log if isinstance(event, ToolCallResult))
    assert result.status == "unknown"
    assert not tools.acts
    check_laws(keeper.log)


async def test_resumed_run_says_from_which_step_and_repeats_the_words_so_far(stage: Stage) -> None:
    stage.script.when(has_result("12:00"), Replies.text("noon"))
    stage.script.when(says("time"), replace(Replies.tool("time__now"), chunks=("Let me look.",)))
    tools, saver = bench(repeatable=True), InMemorySaver()
    keeper = stage.keeper("time?", "clock")

    await _die_after(keeper, stage, tools, saver, lambda: "tool.call.started" in keeper.types)
    assert await keeper.keep(stage.runner(tools, saver))

    resumed = next(event for event in keeper.log if isinstance(event, RunResumed))
    assert resumed.from_step in keeper.outputs()
    assert list(keeper.outputs().values()) == ["Let me look.\n\nnoon"]
    assert len(stage.script.requests) == 2, "the first turn is not asked for again"
    check_laws(keeper.log)


async def test_run_with_nothing_but_its_end_missing_asks_no_model_again(stage: Stage) -> None:
    stage.script.when(says("hello"), Replies.text("Hi"))
    keeper, saver = stage.keeper("hello", "general"), InMemorySaver()
    await keeper.keep(stage.runner(Workbench(), saver))
    keeper.log.pop()

    assert await keeper.keep(stage.runner(Workbench(), saver))

    assert keeper.types[-2:] == ["run.resumed", "run.completed"]
    check_laws(keeper.log)


async def _die_after(
    keeper: Keeper, stage: Stage, tools: Workbench, saver: InMemorySaver | AsyncSqliteSaver, enough: Callable[[], bool]
) -> bool:
    """Keeps the log until it holds enough, then drops the run with its last batch written but not acknowledged."""
    run = stage.runner(tools, saver).run(copy.copy(keeper.run))
    async for batch in run:
        keeper.log += batch
        if enough():
            await run.aclose()
            return True
    return False
