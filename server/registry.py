"""The registry of agents: `agents.yaml` seeds it, the database rules. A change is live for the next run.

Each change makes a revision. A run is carried on the revision it was made on, also after a restart.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from pydantic import JsonValue, ValidationError

from config.agents import NEEDED, ROUTER, AgentSpec
from config.json_pointer import build_pointer
from graph.runner import GraphRunner
from mcp_config.tools import ToolBox
from nodes.context import ModelCatalog
from nodes.models.port import ModelError
from nodes.models.selectors import Aliases, build_selection
from server.db.agents import Agents
from server.errors import Conflict, Invalid
from server.resources import Page, PageQuery

_KEPT_EDITIONS: Final = 8
_CAUTIOUS_CONTEXT: Final = 4_096

_log = structlog.stdlib.get_logger("server.registry")


@dataclass(frozen=True)
class Edition:
    """The agents of one revision, and the graph that was compiled of them."""

    revision: int
    agents: Mapping[str, AgentSpec]
    runner: GraphRunner
    models: ModelCatalog

    def context_tokens(self, agent_id: str) -> int:
        """Returns the largest context of the models that may read the conversation when this agent runs."""
        readers = [*self.agents.values()] if agent_id == ROUTER else [self.agents[agent_id]]
        return max((self._context_of(agent) for agent in readers), default=_CAUTIOUS_CONTEXT)

    def _context_of(self, agent: AgentSpec) -> int:
        try:
            return self.models.for_agent(agent).context_tokens
        except ModelError:  # its step will say so; others may do without it
            return _CAUTIOUS_CONTEXT


class AgentRegistry:
    def __init__(
        self,
        agents: Agents,
        aliases: Aliases,
        models: ModelCatalog,
        tools: ToolBox,
        checkpointer: BaseCheckpointSaver[str],
    ) -> None:
        """`aliases` are the names that an agent's `model` may use, and what they stand for."""
        self._agents, self._aliases = agents, aliases
        self._models, self._tools, self._checkpointer = models, tools, checkpointer
        self._newest: dict[str, AgentSpec] = {}
        self._editions: dict[int, Edition] = {}
        self._building = asyncio.Lock()

    async def seed(self, specs: Sequence[AgentSpec]) -> None:
        """Opens the registry: the file fills it on the first start and has no say afterwards."""
        await self._agents.seed(specs)
        self._newest = await self._agents.all()
        for spec in self._newest.values():
            _tell_unkept(spec)

    def find(self, agent_id: str) -> AgentSpec | None:
        """Returns the agent as it is now, from memory: each tool call asks."""
        return self._newest.get(agent_id)

    async def page(self, query: PageQuery) -> Page[AgentSpec]:
        return await self._agents.page(query)

    async def get(self, agent_id: str) -> AgentSpec:
        """Raises: NotFound."""
        return await self._agents.get(agent_id)

    async def create(self, spec: AgentSpec) -> AgentSpec:
        """Raises: Invalid, for a model nobody knows; Conflict, when the id is taken."""
        self._check_models(spec)
        made = await self._agents.create(spec.model_copy(update={"version": 1}))
        self._take(made)
        return made

    async def update(self, agent_id: str, patch: Mapping[str, JsonValue]) -> AgentSpec:
        """Changes the keys that `patch` names (RFC 7396: null takes a key back to its default).

        Raises:
            NotFound: there is no such agent.
            Invalid: the changed agent would not be valid; the pointer says where.
            Conflict: it cannot be done without the agent, so that it cannot be disabled.
        """

        def change(present: AgentSpec) -> AgentSpec:
            before = present.model_dump(mode="json")
            for fixed in ("id", "role", "version"):
                if patch.get(fixed, before[fixed]) != before[fixed]:
                    raise Invalid("agent_invalid", f"An agent's `{fixed}` cannot be changed.", pointer=f"/{fixed}")
            changed = _parse(_merged(before, patch))
            if changed.id in NEEDED and not changed.enabled:
                raise Conflict("agent_needed", f"The agent {agent_id} is needed for planning and cannot be disabled.")
            self._check_models(changed)
            return changed

        changed = await self._agents.update(agent_id, change)
        self._take(changed)
        return changed

    async def present(self) -> Edition:
        """Returns the agents as they are now: what the next run is made on."""
        return await self.edition(await self._agents.revision())

    async def edition(self, revision: int) -> Edition:
        """Returns the agents as they were at a revision."""
        async with self._building:
            edition = self._editions.pop(revision, None) or await self._build(revision)
            self._editions[revision] = edition  # the one used last stands last
            while len(self._editions) > _KEPT_EDITIONS:
                del self._editions[next(iter(self._editions))]
            return edition

    def _take(self, spec: AgentSpec) -> None:
        self._newest[spec.id] = spec
        _tell_unkept(spec)

    async def _build(self, revision: int) -> Edition:
        agents = await self._agents.enabled(revision)
        runner = GraphRunner(agents, self._models, self._tools, self._checkpointer)
        return Edition(revision, agents, runner, self._models)

    def _check_models(self, spec: AgentSpec) -> None:
        for index, selector in enumerate(spec.selectors):
            try:
                build_selection([selector], self._aliases)
            except ModelError as error:
                pointer = f"/model/{index}" if isinstance(spec.model, list) else "/model"
                raise Invalid("unknown_model", f"The model cannot be used: {error}.", pointer=pointer) from error


def _tell_unkept(spec: AgentSpec) -> None:
    """A policy that is written down and not kept would be worse than none: it is said aloud."""
    policies = spec.policies
    asked = {
        "redact": bool(policies.redact),
        "sql.tables": policies.sql.tables is not None,
        "limits.seconds": policies.limits.seconds is not None,
    }
    for key in (key for key, wanted in asked.items() if wanted):
        _log.warning("agent policy is not enforced yet", agent=spec.id, policy=key)


def _merged(target: JsonValue, patch: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value) if isinstance(value, dict) else value
    return merged


def _parse(value: Mapping[str, JsonValue]) -> AgentSpec:
    try:
        return AgentSpec.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        pointer = build_pointer(first["loc"])
        raise Invalid("agent_invalid", f"The agent would not be valid: {first['msg']}.", pointer=pointer) from error
