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
    agents: Mapping[str, AgentSpec], default: RunContext | None = None
) -> StateGraph[RunState, RunContext, RunState, RunState]:
    """Returns the graph of these agents, not yet compiled. `default` is the context of runs that are given none.

    Only nodes that return a `Command` branch: LangGraph stores a conditional edge's choice apart from the node's
    changes, and a run cancelled between the two would never go on.
    """
    specialists = [agent.id for agent in agents.values() if agent.role == "specialist"]
    builder = StateGraph(RunState, context_schema=RunContext)
    builder.add_node("router", lasting(router, default))
    builder.add_node("dispatch", lasting(dispatch, default), destinations=(*specialists, "router", "synthesis", END))
    builder.add_node("synthesis", lasting(synthesis, default))
    for agent_id in specialists:
        builder.add_node(agent_id, build_specialist(agent_id, default))
        builder.add_edge(agent_id, "dispatch")
    builder.add_edge(START, "dispatch")
    builder.add_edge("router", "dispatch")
    builder.add_edge("synthesis", END)
    return builder
