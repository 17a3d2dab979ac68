"""Dispatch: where each run begins, and where it goes on after every step.

It sends the plan's ready steps to their agents, all at once. State and direction are one `Command`, because a run that
is cut off between two writes would resume with the one and without the other.
"""

from typing import cast

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send

from config.agents import ROUTER
from config.ids import derive_id
from nodes.budget import Budget
from nodes.context import RunContext
from nodes.facts import FactWriter, StepBroken, StepOpened
from nodes.head_start import say_head_start
from nodes.lasting import Update
from nodes.progress import Progress
from nodes.prompting import newest_question
from nodes.routing import newest_words
from nodes.state import PlanStep, RunState, StepInput, StepResult
from nodes.synthesis import synthesis_id


async def dispatch(state: RunState, runtime: Runtime[RunContext]) -> Command[str]:
    context = runtime.context
    begun = _begin(state, context)
    if begun and (given := state.get("head_start")):
        question = newest_words(state["messages"]) if state.get("agent_id", ROUTER) == ROUTER else None
        say_head_start(given, context.run_id, question, runtime.stream_writer, context.budget.spending)
    state = cast(RunState, {**state, **begun})
    progress = Progress.of(state)
    if state.get("failure"):
        return Command(goto="__end__")
    if progress.may_plan_anew:
        return Command(update={"plan": [], "replanned": True}, goto="router")
    if not progress.plan:
        return Command(update=_stored(begun, []), goto="router")
    ended = progress.blocked(context.agents)
    _say_ends(ended, runtime.stream_writer)
    state["results"] = [*progress.results, *ended]
    return _go_on(state, context, _stored(begun, ended))


def _go_on(state: RunState, context: RunContext, changes: Update) -> Command[str]:
    progress = Progress.of(state)
    if failure := progress.failure():
        return Command(update=changes | {"failure": failure}, goto="__end__")
    if ready := progress.ready:
        context.budget.check_steps(progress.coming(synthesis_id(context.run_id)))
        return Command(update=changes, goto=[_send(step, progress, state, context.budget) for step in ready])
    if (answer := progress.answer) is not None:
        return Command(update=changes | {"messages": [AIMessage(answer)]}, goto="__end__")
    return Command(update=changes, goto="synthesis")


def _begin(state: RunState, context: RunContext) -> Update:
    """Returns how a run's state begins; nothing if it has begun. In Studio many runs share a thread's state."""
    question = newest_question(state["messages"])
    asked = (question.id if question else None) or "nothing"
    if state.get("question") == asked:
        return {}
    plan: list[PlanStep] = []
    begun: Update = {"question": asked, "plan": plan, "replanned": False, "failure": None, "results": []}
    if given := state.get("head_start"):
        return begun | given
    if (agent_id := state.get("agent_id", ROUTER)) != ROUTER:  # a run of one agent needs no model to be planned
        step_id = derive_id("step", context.run_id, "only")
        plan += [PlanStep(id=step_id, agent=agent_id, task=question.text if question else "", depends_on=[])]
    return begun


def _stored(begun: Update, ended: list[StepResult]) -> Update:
    """Results add up in the state, so a beginning has to replace them."""
    if begun:
        return begun | {"results": Overwrite([*begun["results"], *ended])}
    return {"results": ended} if ended else {}


def _say_ends(ended: list[StepResult], write: FactWriter) -> None:
    for result in ended:
        write(StepOpened(result["step_id"], "agent", result["agent"], result["task"]))
        write(StepBroken(result["step_id"], result["code"], result["output"]))


def _send(step: PlanStep, progress: Progress, state: RunState, budget: Budget) -> Send:
    budget.spending.of(step["id"])  # from now on it counts as begun
    given = StepInput(step=step, earlier=progress.earlier(step), messages=state["messages"], channel=progress.channel)
    return Send(step["agent"], given)
