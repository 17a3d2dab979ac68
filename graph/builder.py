"""The topology: dispatch sends to router, specialists and synthesis. Every agent is a node under its own name."""

from collections.abc import Mapping
from typing import Final

from langgraph.graph import END, START, StateGraph

from config.agents import AgentSpec
from nodes.context import RunContext
from nodes.dispatch import dispatch
from nodes.lasting import lasting
from nodes.router import router
from nodes.specialist import build_specialist
from nodes.state import RunState
from nodes.synthesis import synthesis

NAME: Final = "open-agent"


def build_graph(
    agents: Mapping[str, AgentSpec], fixed: RunContext | None = None
) -> StateGraph[RunState, RunContext, RunState, RunState]:
    """Returns the graph of these agents, not yet compiled. `fixed` is the context of all its runs where those who
    start them can give none: Studio would build one from JSON.

    Only nodes that return a `Command` branch: LangGraph stores a conditional edge's choice apart from the node's
    changes, and a run cancelled between the two would never go on.
    """
    specialists = [agent.id for agent in agents.values() if agent.role == "specialist"]
    builder = StateGraph(RunState, context_schema=None if fixed else RunContext)
    builder.add_node("router", lasting(router, fixed))
    builder.add_node("dispatch", lasting(dispatch, fixed), destinations=(*specialists, "router", "synthesis", END))
    builder.add_node("synthesis", lasting(synthesis, fixed))
    for agent_id in specialists:
        builder.add_node(agent_id, build_specialist(agent_id, fixed))
        builder.add_edge(agent_id, "dispatch")
    builder.add_edge(START, "dispatch")
    builder.add_edge("router", "dispatch")
    builder.add_edge("synthesis", END)
    return builder
