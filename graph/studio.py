"""What `langgraph.json` points at: the graph for `langgraph dev` and Studio, which bring their own checkpointer.

Studio calls the factory for every look at the graph and every run, and gives no context; so the context is made here,
and models and tool servers are opened once, by the first run, and live as long as Studio's process.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from config.agents import AgentsFile, AgentSpec, load_agents
from config.ids import new_id
from config.known_secrets import find_secrets
from config.policies import load_policies
from config.prompts import load_prompt, load_routing_examples
from config.redaction import Redactor
from config.settings import Settings, load_settings
from graph.builder import NAME, build_graph
from mcp_config.entries.server_config import ServerConfig
from mcp_config.entries.server_variables import build_variables
from mcp_config.entries.servers_file import load_servers
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.registry import open_registry
from mcp_config.tools import ToolBox
from nodes.budget import Budget
from nodes.context import ModelCatalog, RunContext
from nodes.models.catalog import open_models
from nodes.state import RunState

OWNER: Final = "studio"


@dataclass(frozen=True)
class _Workshop:
    models: ModelCatalog
    tools: ToolBox


@dataclass(frozen=True)
class _Configuration:
    settings: Settings
    agents: AgentsFile
    servers: list[ServerConfig]

    @property
    def enabled(self) -> dict[str, AgentSpec]:
        return {agent.id: agent for agent in self.agents.agents if agent.enabled}


async def graph(config: RunnableConfig) -> CompiledStateGraph[RunState, RunContext, RunState, RunState]:
    """Returns the graph of the agents in `agents.yaml`; opens what they need only when a run is about to begin."""
    configuration = await asyncio.to_thread(_load)
    agents = configuration.enabled
    if not config.get("configurable", {}).get("__is_for_execution__", True):
        return build_graph(agents).compile(name=NAME)
    workshop = await _opening(asyncio.get_running_loop()).opened(configuration)
    budget = Budget(agents=agents)
    context = RunContext(new_id("run"), OWNER, agents, workshop.models, workshop.tools, role="admin", budget=budget)
    return build_graph(agents, context).compile(name=NAME)


@cache
def _load() -> _Configuration:
    """Reads all files that a run needs, in a thread: Studio forbids its event loop to wait for a disk."""
    settings = load_settings()
    load_prompt("synthesis")
    load_prompt("router_repair")
    load_prompt("router_replan")
    load_prompt("router")
    load_routing_examples()
    servers = load_servers(settings.mcp_servers, build_variables(settings))
    return _Configuration(settings, load_agents(settings.agents_file), servers)


class _Opening:
    """Owns the workshop in one task, which the end of its event loop ends."""

    def __init__(self) -> None:
        self._begun: tuple[asyncio.Task[None], asyncio.Future[_Workshop]] | None = None

    async def opened(self, configuration: _Configuration) -> _Workshop:
        """Raises what opening raises."""
        if self._begun is None or self._begun[0].done():
            workshop: asyncio.Future[_Workshop] = asyncio.get_running_loop().create_future()
            self._begun = asyncio.create_task(self._own(configuration, workshop), name="studio's tools"), workshop
        owner, workshop = self._begun
        waits: set[asyncio.Future[Any]] = {owner, workshop}  # one brings nothing, the other the workshop
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if owner.done():
            owner.result()
        return workshop.result()

    @staticmethod
    async def _own(configuration: _Configuration, workshop: asyncio.Future[_Workshop]) -> None:
        settings = configuration.settings
        policies = await asyncio.to_thread(load_policies, settings.tool_policies_file)
        redactor = Redactor(find_secrets(settings, (), chain.from_iterable(s.secrets for s in configuration.servers)))
        async with AsyncExitStack() as stack:
            models = await stack.enter_async_context(open_models(settings, configuration.agents, redactor))
            registry = open_registry(
                configuration.servers,
                policies,
                configuration.enabled.get,
                Deadlines.of(settings),
                Guards(redactor=redactor),
            )
            workshop.set_result(_Workshop(models, await stack.enter_async_context(registry)))
            await asyncio.Event().wait()


@cache
def _opening(loop: asyncio.AbstractEventLoop) -> _Opening:
    """One for each event loop: what is opened in one cannot be used in another."""
    return _Opening()
