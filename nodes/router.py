"""The router: asks a model which agents shall answer, and in which order. It plans; it never answers.

Its prompt is built in `nodes.routing`; the laws of a plan are in `nodes.plan`.
"""

from collections.abc import Mapping, Sequence
from string import Template
from typing import Final, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.runtime import Runtime

from config.agents import ROUTER, AgentSpec
from config.ids import derive_id
from config.prompts import load_prompt
from nodes.context import RunContext
from nodes.facts import PlanMade, Said, StepBroken, StepDone, StepOpened
from nodes.models.port import ChatModel, ModelError, Usage
from nodes.plan import DraftStep, PlanError, build_plan_schema, describe_plan, number_steps, parse_plan, write_json
from nodes.routing import build_routing_messages, newest_words, specialist_ids
from nodes.state import PlanStep, RunState, StepResult
from nodes.warmup import wait_for_model

_BAD_OUTPUT: Final = "model_bad_output"


class RouterOutput(TypedDict):
    plan: list[PlanStep]


async def router(state: RunState, runtime: Runtime[RunContext]) -> RouterOutput:
    """Plans the run; with results of an earlier plan in the state, plans what is still missing."""
    context, write = runtime.context, runtime.stream_writer
    step_id = derive_id("step", context.run_id, "replan" if state.get("results") else "plan")
    write(StepOpened(step_id, "plan", ROUTER, newest_words(state["messages"])))
    try:
        context.budget.check_steps([step_id, "the plan's first"])  # a plan that nobody may carry out is not made
        context.budget.spending.of(step_id)
        model = context.metered(context.models.for_agent(context.agents[ROUTER]), step_id, ROUTER)
        await wait_for_model(model, lambda text: write(Said(step_id, "reasoning", text)))
        steps, _ = await make_plan(model, context.agents, state["messages"], state.get("results", []))
    except ModelError as error:
        write(StepBroken(step_id, error.code, str(error)))
        raise
    write(PlanMade(step_id, steps))
    write(StepDone(step_id, describe_plan(steps), context.budget.spending.usage_of(step_id)))
    return RouterOutput(plan=steps)


async def make_plan(
    model: ChatModel,
    agents: Mapping[str, AgentSpec],
    conversation: Sequence[AnyMessage],
    results: Sequence[StepResult] = (),
) -> tuple[list[PlanStep], Usage]:
    """Returns a plan that can be run, and what it took. Raises `ModelError` when the model cannot be asked."""
    ids = specialist_ids(agents)
    if not ids:
        raise ModelError("no_agents", "no specialist agent is enabled: enable one with PATCH /v1/agents/{id}")
    prompt = build_routing_messages(agents, conversation, results, model.context_tokens)
    return await _ask_twice(model, prompt, ids, newest_words(conversation))


async def _ask_twice(
    model: ChatModel, prompt: list[AnyMessage], agents: list[str], message: str
) -> tuple[list[PlanStep], Usage]:
    """One plan, one repair, else the fallback agent with the message as it is."""
    usage = Usage()
    for _ in range(2):
        try:
            reply = await model.structured(prompt, "plan", build_plan_schema(agents))
        except ModelError as error:
            if error.code != _BAD_OUTPUT:
                raise
            usage += error.usage
            prompt = [*prompt, _complain(error, agents)]
            continue
        usage += reply.usage
        try:
            return parse_plan(reply.value, agents, message), usage
        except PlanError as error:
            prompt = [*prompt, AIMessage(write_json(reply.value)), _complain(error, agents)]
    return number_steps([DraftStep(agent=agents[0], task=message)]), usage


def _complain(error: Exception, agents: list[str]) -> HumanMessage:
    return HumanMessage(Template(load_prompt("router_repair")).substitute(problem=error, agents=", ".join(agents)))
