"""Dispatch: sends the plan's ready steps to their agents, all at once, and decides how the run goes on after them.

The node changes the state, `after_dispatch` only reads it: so what happens next can be seen in the checkpoint.
"""

from collections.abc import Sequence
from typing import Final, Literal, cast

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite, Send

from config.agents import ROUTER
from config.ids import derive_id
from nodes.context import RunContext
from nodes.facts import FactWriter, StepBroken, StepOpened
from nodes.lasting import Update
from nodes.prompting import newest_question
from nodes.state import BUDGET_EXCEEDED, PlanStep, RunFailure, RunState, StepInput, StepResult

SKIPPED: Final = "step_skipped"


async def dispatch(state: RunState, runtime: Runtime[RunContext]) -> Update:
    context = runtime.context
    begun = _begin_single(state, context)
    state = cast(RunState, {**state, **begun})
    if state.get("failure"):
        return begun
    if _may_plan_anew(state):
        return {"plan": [], "replanned": True}
    ended = _end_without_running(state, context, runtime.stream_writer)
    changes = begun | ({"results": ended} if ended else {})
    state = RunState(**{**state, "results": [*state.get("results", []), *ended]})
    if failure := _find_failure(state, context):
        return changes | {"failure": failure}
    if not _ready(state) and (answer := _sole_answer(state)) is not None:
        return changes | {"messages": [AIMessage(answer)], "replanned": False}
    return changes


def after_dispatch(state: RunState) -> list[Send] | Literal["router", "synthesis", "__end__"]:
    if state.get("failure"):
        return "__end__"
    if not state["plan"]:
        return "router"
    if ready := _ready(state):
        return [_send(step, state) for step in ready]
    return "__end__" if _sole_answer(state) is not None else "synthesis"


def results_of_run(state: RunState) -> list[StepResult]:
    """Returns what counts for the answer: the plan's results and, after a new plan, those of the first one."""
    planned = {step["id"] for step in state["plan"]}
    return [r for r in state.get("results", []) if r["step_id"] in planned or state.get("replanned")]


def fresh(state: RunState) -> Update:
    """Returns the changes that clear what an earlier run left on the thread (in Studio runs share one)."""
    return ({"results": Overwrite([])} if state.get("results") else {}) | {"failure": None, "replanned": False}


def _begin_single(state: RunState, context: RunContext) -> Update:
    """A run of one agent needs no model to be planned."""
    if state.get("agent_id", ROUTER) == ROUTER:
        return {}
    step_id = derive_id("step", context.run_id, "only")
    if [step["id"] for step in state.get("plan", [])] == [step_id]:
        return {}
    question = newest_question(state["messages"])
    step = PlanStep(id=step_id, agent=state["agent_id"], task=question.text if question else "", depends_on=[])
    return fresh(state) | {"plan": [step]}


def _by_step(state: RunState) -> dict[str, StepResult]:
    return {result["step_id"]: result for result in state.get("results", [])}


def _ready(state: RunState) -> list[PlanStep]:
    results = _by_step(state)
    return [
        step
        for step in state["plan"]
        if step["id"] not in results and all(_completed(results.get(before)) for before in step["depends_on"])
    ]


def _completed(result: StepResult | None) -> bool:
    return result is not None and result["status"] == "completed"


def _may_plan_anew(state: RunState) -> bool:
    """One new plan after a failure, unless it would follow words that the user already reads as the answer."""
    results = _by_step(state)
    failed = [r for step in state["plan"] if (r := results.get(step["id"])) and r["status"] == "failed"]
    if not failed or state.get("replanned") or state.get("agent_id", ROUTER) != ROUTER:
        return False
    return not any(result.get("answered") or result["code"] == BUDGET_EXCEEDED for result in failed)


def _end_without_running(state: RunState, context: RunContext, write: FactWriter) -> list[StepResult]:
    """Fails the steps that cannot run: those of an agent that is gone, and those whose dependency failed."""
    ended: list[StepResult] = []
    results = _by_step(state)
    for step in state["plan"]:
        reason = None if step["id"] in results else _why_not(step, results, context)
        if reason:
            write(StepOpened(step["id"], "agent", step["agent"], step["task"]))
            write(StepBroken(step["id"], *reason))
            results[step["id"]] = _failed(step, *reason)
            ended.append(results[step["id"]])
    return ended


def _why_not(step: PlanStep, results: dict[str, StepResult], context: RunContext) -> tuple[str, str] | None:
    agent = context.agents.get(step["agent"])
    if agent is None or agent.role != "specialist":
        return "unknown_agent", f"there is no enabled agent {step['agent']!r}; GET /v1/agents lists them"
    if any(before in results and not _completed(results[before]) for before in step["depends_on"]):
        return SKIPPED, "the step was not run, because a step that it depends on failed"
    return None


def _failed(step: PlanStep, code: str, detail: str) -> StepResult:
    return StepResult(
        step_id=step["id"], agent=step["agent"], task=step["task"], status="failed", output=detail, code=code
    )


def _find_failure(state: RunState, context: RunContext) -> RunFailure | None:
    """Returns why the run ends here: a budget was reached, or no step is left that could bring anything."""
    failed = [result for result in results_of_run(state) if result["status"] == "failed"]
    if over := next((result for result in failed if result["code"] == BUDGET_EXCEEDED), None):
        return RunFailure(code=BUDGET_EXCEEDED, detail=over["output"])
    if ready := _ready(state):
        return _over_steps(len(state.get("results", [])) + len(ready), state, context)
    if len(failed) == len(results_of_run(state)):
        return _sum_up([result for result in failed if result["code"] != SKIPPED])
    return None


def _over_steps(steps: int, state: RunState, context: RunContext) -> RunFailure | None:
    agent_id = state.get("agent_id", ROUTER)
    allowed = context.agents[agent_id].policies.limits.steps
    if allowed is None or steps <= allowed:
        return None
    return RunFailure(code=BUDGET_EXCEEDED, detail=f"the run needs {steps} steps; {agent_id} is allowed {allowed}")


def _sum_up(failed: Sequence[StepResult]) -> RunFailure:
    codes = {result["code"] for result in failed}
    details = dict.fromkeys(result["output"] for result in failed)
    return RunFailure(code=codes.pop() if len(codes) == 1 else "all_steps_failed", detail="; ".join(details))


def _is_sole(state: RunState) -> bool:
    """Whether one agent's words are the answer: nothing else has brought anything."""
    return len(state["plan"]) == 1 and not any(
        result["step_id"] != state["plan"][0]["id"] and _completed(result) for result in results_of_run(state)
    )


def _sole_answer(state: RunState) -> str | None:
    result = _by_step(state).get(state["plan"][0]["id"])
    return result["output"] if result and _completed(result) and _is_sole(state) else None


def _send(step: PlanStep, state: RunState) -> Send:
    needed = {*step["depends_on"]}
    planned = {planned["id"] for planned in state["plan"]}
    earlier = [
        result
        for result in results_of_run(state)
        if _completed(result) and (result["step_id"] in needed or result["step_id"] not in planned)
    ]
    channel: Literal["answer", "work"] = "answer" if _is_sole(state) else "work"
    return Send(step["agent"], StepInput(step=step, earlier=earlier, messages=state["messages"], channel=channel))
