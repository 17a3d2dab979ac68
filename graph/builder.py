"""The topology: router → dispatch ⇄ specialists → synthesis. Every agent is a node under its own name."""

from collections.abc import Mapping
from typing import Final

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from config.agents import ROUTER, AgentSpec
from nodes.context import RunContext
from nodes.dispatch import after_dispatch, dispatch, fresh
from nodes.lasting import Update, lasting
from nodes.router import router
from nodes.specialist import build_specialist
from nodes.state import RunState
from nodes.synthesis import synthesis

NAME: Final = "open-agent"


def build_graph(
    agents: Mapping[str, AgentSpec], default: RunContext | None = None
) -> StateGraph[RunState, RunContext, RunState, RunState]:
    """Returns the graph of these agents, not yet compiled. `default` is the context of runs that are given none."""
    builder = StateGraph(RunState, context_schema=RunContext)
    builder.add_node("router", lasting(_plan, default))
    builder.add_node("dispatch", lasting(dispatch, default))
    builder.add_node("synthesis", lasting(synthesis, default))
    specialists = [agent.id for agent in agents.values() if agent.role == "specialist"]
    for agent_id in specialists:
        builder.add_node(agent_id, build_specialist(agent_id, default))
        builder.add_edge(agent_id, "dispatch")
    builder.add_conditional_edges(START, _begin, ["router", "dispatch"])
    builder.add_edge("router", "dispatch")
    builder.add_conditional_edges("dispatch", after_dispatch, [*specialists, "router", "synthesis", END])
    builder.add_edge("synthesis", END)
    return builder


def _begin(state: RunState) -> str:
    return "router" if state.get("agent_id", ROUTER) == ROUTER else "dispatch"


async def _plan(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """The router, shown results only when dispatch asks for a new plan after a failure."""
    if state.get("replanned"):
        return Update(await router(state, runtime))
    state_without = RunState(**{**state, "results": []})
    return fresh(state) | Update(await router(state_without, runtime))
