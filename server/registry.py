"""The registry of agents: `agents.yaml` seeds it, the database rules. A change is live for the next run.

Each change makes a revision. A run is carried on the revision it was made on, also after a restart.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from pydantic import JsonValue

from config.agents import NEEDED, ROUTER, AgentSpec
from graph.runner import GraphRunner
from mcp_config.tools import ToolBox
from nodes.context import ModelCatalog, Surroundings
from nodes.models.port import ModelError
from nodes.models.selectors import Aliases, build_selection
from server.agent_changes import build_changed, check_version, seen_version
from server.budgets import Budgets
from server.db.agents import Agents
from server.errors import Conflict, Invalid
from server.keys import PRODUCT, Principal
from server.resources.agents import AgentVersion
from server.resources.pages import Page, PageQuery

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
        surroundings: Surroundings = Surroundings(),  # noqa: B008 - frozen
        budgets: Budgets | None = None,
    ) -> None:
        """`aliases` are the names that an agent's `model` may use, and what they stand for."""
        self._surroundings = surroundings
        self.budgets = budgets or Budgets(aliases)
        self._agents, self._aliases = agents, aliases
        self._models, self._tools, self._checkpointer = models, tools, checkpointer
        self._newest: dict[str, AgentSpec] = {}
        self._deleted: dict[str, AgentSpec] = {}
        self._editions: dict[int, Edition] = {}
        self._building = asyncio.Lock()
        self._known_revision = 0
        self._changes = 0

    async def seed(self, specs: Sequence[AgentSpec]) -> None:
        """Opens the registry: the file fills it on the first start and has no say afterwards."""
        await self._agents.seed(specs)
        for agent_id, keys in (await self._agents.flaws()).items():
            told = "an earlier version stored what is not taken any more; see the agent, and set these keys with PATCH"
            _log.warning(told, agent=agent_id, keys=keys)
        await self.renew()

    async def renew(self) -> None:
        """Reads the agents anew if they have changed, in this process or another."""
        before, revision = self._changes, await self._agents.revision()
        if revision == self._known_revision:
            return
        newest, known = await self._agents.all(), await self._agents.last_known()
        if before == self._changes:  # else what was read may be older than what this process has changed meanwhile
            self._newest, self._known_revision = newest, revision
            self._deleted = {agent_id: spec for agent_id, spec in known.items() if agent_id not in newest}

    def find(self, agent_id: str) -> AgentSpec | None:
        """Returns the agent as it is now, from memory."""
        return self._newest.get(agent_id)

    def find_last(self, agent_id: str) -> AgentSpec | None:
        """Returns the agent as it is now, or as it was when it was deleted.

        Each tool call asks: what an agent may do is narrowed at once, also for runs that have begun; a run whose agent
        was deleted can still end.
        """
        return self._newest.get(agent_id) or self._deleted.get(agent_id)

    async def page(self, query: PageQuery) -> Page[AgentSpec]:
        return await self._agents.page(query)

    async def get(self, agent_id: str) -> AgentSpec:
        """Raises: NotFound."""
        return await self._agents.get(agent_id)

    def all(self) -> list[AgentSpec]:
        """Returns the agents as they are now, from memory."""
        return [*self._newest.values()]

    async def create(self, spec: AgentSpec, by: Principal = PRODUCT) -> AgentSpec:
        """Raises: Invalid, for a model nobody knows; Conflict, when the id is taken."""
        self._check_models(spec)
        made = await self._agents.create(spec, by)
        self._take(made)
        return made

    async def update(
        self, agent_id: str, patch: Mapping[str, JsonValue], version: int | None = None, by: Principal = PRODUCT
    ) -> AgentSpec:
        """Changes the keys that `patch` names (RFC 7396: null takes a key back to its default).

        `version`, or the patch's own, is the one that the caller has seen; None asks for no such check.

        Raises:
            NotFound: there is no such agent.
            Invalid: the changed agent would not be valid; the pointer says where.
            Conflict: it has changed since, or it cannot be done without the agent, so that it cannot be disabled.
        """
        seen = seen_version(patch)

        def change(present: AgentSpec) -> AgentSpec:
            check_version(present, version)
            check_version(present, seen)
            changed = build_changed(present, patch)
            self._check(changed)
            return changed

        changed = await self._agents.update(agent_id, change, by)
        self._take(changed)
        return changed

    async def rollback(
        self, agent_id: str, version: int, seen: int | None = None, by: Principal = PRODUCT
    ) -> AgentSpec:
        """Makes what an agent was at a version its newest version; one that was deleted is there again.

        Raises:
            NotFound: there was no such version.
            Invalid: it cannot be used any more, as its model is not configured.
            Conflict: the agent has changed since the caller has seen it, or cannot be done without.
        """

        def check(old: AgentSpec, present: AgentSpec | None) -> None:
            if present is not None:
                check_version(present, seen)
            self._check(old)

        restored = await self._agents.restore(agent_id, version, check, by)
        self._take(restored)
        return restored

    async def delete(self, agent_id: str, version: int | None = None, by: Principal = PRODUCT) -> None:
        """Takes an agent out: no new run has it. Its versions stay, and runs that began with it keep it.

        Raises:
            NotFound: there is no such agent.
            Conflict: it has changed since the caller has seen it, or cannot be done without.
        """

        def check(present: AgentSpec) -> None:
            check_version(present, version)
            if agent_id in NEEDED:
                raise Conflict("agent_needed", f"The agent {agent_id} is needed for planning and cannot be deleted.")

        await self._agents.delete(agent_id, check, by)
        self._changes += 1
        if gone := self._newest.pop(agent_id, None):
            self._deleted[agent_id] = gone

    async def versions(self, agent_id: str, query: PageQuery) -> Page[AgentVersion]:
        """Raises: NotFound, when there never was such an agent."""
        return await self._agents.versions(agent_id, query)

    async def version(self, agent_id: str, version: int) -> AgentVersion:
        """Raises: NotFound."""
        return await self._agents.version(agent_id, version)

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
        self._changes += 1
        self._newest[spec.id] = spec
        self._deleted.pop(spec.id, None)

    async def _build(self, revision: int) -> Edition:
        agents = await self._agents.enabled(revision)
        runner = GraphRunner(agents, self._models, self._tools, self._checkpointer, self._surroundings)
        return Edition(revision, agents, runner, self._models)

    def _check(self, spec: AgentSpec) -> None:
        if spec.id in NEEDED and not spec.enabled:
            raise Conflict("agent_needed", f"The agent {spec.id} is needed for planning and cannot be disabled.")
        self._check_models(spec)

    def _check_models(self, spec: AgentSpec) -> None:
        for index, selector in enumerate(spec.selectors):
            try:
                build_selection([selector], self._aliases)
            except ModelError as error:
                pointer = f"/model/{index}" if isinstance(spec.model, list) else "/model"
                raise Invalid("unknown_model", f"The model cannot be used: {error}.", pointer=pointer) from error
