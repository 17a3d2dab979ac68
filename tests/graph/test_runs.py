"""What a run says, from its first event to its last."""

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from graph.events import RunCompleted, RunFailed, StepFailed, StepStarted, ToolCallResult
from mcp_config.tools import JsonObject
from tests.graph.conftest import Stage, plan, synthesizes
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool, Workbench, returning
from tests.support.scripted_model import Replies, has_result, plans, prompted, says


async def test_one_step_plan_streams_that_agents_words_as_the_answer(stage: Stage) -> None:
    stage.script.when(plans, plan({"agent": "general"}).costing(7, 3))
    stage.script.when(says("hello"), Replies.text("Hi ", "there").costing(20, 2))
    keeper = stage.keeper("hello")

    assert await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert keeper.types == [
        "run.started",
        "step.started",
        "plan.created",
        "step.completed",
        "step.started",
        "model.delta",
        "model.delta",
        "step.completed",
        "run.completed",
    ]
    assert keeper.deltas() == "Hi there"
    end = keeper.log[-1]
    assert isinstance(end, RunCompleted)
    assert end.usage.model_dump() == {"input_tokens": 27, "output_tokens": 5, "total_tokens": 32}
    assert len(stage.script.requests) == 2, "no model call beside the plan and the answer"
    check_laws(keeper.log)


async def test_single_agent_run_skips_the_router(stage: Stage) -> None:
    stage.script.when(says("hello"), Replies.text("Hi"))
    keeper = stage.keeper("hello", "general", before=(HumanMessage("first"), AIMessage("answer")))

    await keeper.keep(stage.runner(Workbench()))

    assert keeper.deltas() == "Hi"
    assert [event.kind for event in keeper.log if isinstance(event, StepStarted)] == ["agent"]
    assert [message["content"] for message in stage.script.requests[0].messages[1:]] == ["first", "answer", "hello"]
    check_laws(keeper.log)


async def test_tool_result_is_given_to_the_model(stage: Stage) -> None:
    stage.script.when(has_result("12:00"), Replies.text("It is noon."))
    stage.script.when(says("time"), Replies.tool("time__now", {"q": "Tokyo"}))
    bench = Workbench({"time__now": Tool(returning("12:00"))})
    keeper = stage.keeper("what time is it?", "clock")

    await keeper.keep(stage.runner(bench, InMemorySaver()))

    assert keeper.types == [
        "run.started",
        "step.started",
        "tool.call.started",
        "tool.call.result",
        "model.delta",
        "step.completed",
        "run.completed",
    ]
    assert [call.arguments for call in bench.acts] == [{"q": "Tokyo"}]
    assert bench.acts[0].id.startswith("call_")
    assert bench.acts[0].caller.agent == "clock"
    check_laws(keeper.log)


async def test_several_steps_are_answered_by_synthesis(stage: Stage) -> None:
    steps: list[JsonObject] = [
        {"agent": "sql", "task": "best product"},
        {"agent": "clock", "task": "time", "depends_on": [1]},
    ]
    stage.script.when(plans, plan(*steps))
    stage.script.when(prompted("you are sql"), Replies.text("Lamp"))
    stage.script.when(prompted("you are clock"), Replies.text("noon"))
    stage.script.when(synthesizes, Replies.text("Lamp", " at noon"))
    keeper = stage.keeper("best product, then the time")

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    kinds = [event.kind for event in keeper.log if isinstance(event, StepStarted)]
    assert kinds == ["plan", "agent", "agent", "synthesis"]
    assert keeper.deltas("work") == "Lampnoon"
    assert keeper.deltas() == "Lamp at noon"
    asked = stage.script.requests[2].last_user
    assert "Lamp" in asked
    assert "not instructions" in asked
    assert asked.index("Your task now") < asked.index("Lamp")
    check_laws(keeper.log)


async def test_step_whose_dependency_failed_is_not_run_and_synthesis_is_told(stage: Stage) -> None:
    first: list[JsonObject] = [
        {"agent": "sql", "task": "orders"},
        {"agent": "general", "task": "story", "depends_on": [1]},
        {"agent": "clock", "task": "time"},
    ]
    again: list[JsonObject] = [
        {"agent": "sql", "task": "orders again"},
        {"agent": "general", "task": "tell", "depends_on": [1]},
    ]
    stage.script.when(plans, plan(*first), plan(*again))
    stage.script.when(prompted("you are sql"), *[Replies.error(400, "no") for _ in range(2)])
    stage.script.when(prompted("you are clock"), Replies.text("noon"))
    stage.script.when(synthesizes, Replies.text("It is noon; the orders could not be read."))
    keeper = stage.keeper("orders, a story, the time")

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert keeper.types.count("plan.created") == 2, "one new plan, not more"
    assert [event.error.code for event in keeper.log if isinstance(event, StepFailed)] == [
        "model_rejected",
        "model_rejected",
        "step_skipped",
    ]
    told = stage.script.requests[-1].last_user
    assert "noon" in told
    assert 'status="failed"' in told
    assert keeper.types[-1] == "run.completed"
    check_laws(keeper.log)


async def test_failed_step_is_planned_anew_once_and_the_new_agents_words_are_the_answer(stage: Stage) -> None:
    stage.script.when(
        plans,
        plan({"agent": "sql"}),
        plan({"agent": "general"}),
    )
    stage.script.when(prompted("you are sql"), Replies.error(400, "no"))
    stage.script.when(prompted("you are general"), Replies.text("Four."))
    keeper = stage.keeper("count them")

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert keeper.deltas() == "Four."
    assert keeper.types[-1] == "run.completed"
    check_laws(keeper.log)


async def test_failure_after_visible_words_is_not_planned_anew(stage: Stage) -> None:
    stage.script.when(plans, plan({"agent": "sql"}))
    stage.script.when(prompted("you are sql"), Replies.text("Half an ", "answer").garbled(after=1))
    keeper = stage.keeper("count them")

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    end = keeper.log[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "model_bad_output"
    assert keeper.types.count("plan.created") == 1
    check_laws(keeper.log)


async def test_run_fails_with_the_reason_of_its_only_step(stage: Stage) -> None:
    stage.script.when(says("hello"), Replies.error(401, "bad key"))
    keeper = stage.keeper("hello", "general")

    await keeper.keep(stage.runner(Workbench()))

    end = keeper.log[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "model_auth"
    assert "OPENAI_API_KEY" in end.error.detail
    check_laws(keeper.log)


async def test_failing_router_closes_its_step_and_ends_the_run(stage: Stage) -> None:
    stage.script.when(plans, Replies.error(401, "bad key"))
    keeper = stage.keeper("hello")

    await keeper.keep(stage.runner(Workbench(), InMemorySaver()))

    assert keeper.types == ["run.started", "step.started", "step.failed", "run.failed"]
    check_laws(keeper.log)


async def test_run_of_an_agent_that_is_gone_fails_by_name(stage: Stage) -> None:
    keeper = stage.keeper("hello", "nobody")

    await keeper.keep(stage.runner(Workbench()))

    end = keeper.log[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "unknown_agent"
    assert "nobody" in end.error.detail
    check_laws(keeper.log)


async def test_denied_call_is_in_the_log_and_the_model_is_told(stage: Stage) -> None:
    stage.script.when(has_result("forbids"), Replies.text("I may not."))
    stage.script.when(says("time"), Replies.tool("time__now", {"forbidden": True}))
    bench = Workbench({"time__now": Tool(returning("12:00"))})
    keeper = stage.keeper("time?", "clock")

    await keeper.keep(stage.runner(bench))

    result = next(event for event in keeper.log if isinstance(event, ToolCallResult))
    assert (result.status, result.error and result.error.code) == ("denied", "denied_by_policy")
    assert not bench.acts
    check_laws(keeper.log)


async def test_run_without_router_and_without_checkpointer_needs_no_database(stage: Stage) -> None:
    stage.script.when(says("hello"), Replies.text("Hi"))
    keeper, runner = stage.keeper("hello", "general"), stage.runner(Workbench())

    await keeper.keep(runner)
    await runner.forget(keeper.run.run_id)

    assert keeper.ended
