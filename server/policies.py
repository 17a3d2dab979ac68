"""The tool policies in force: the file's until others are set over the API, then the newest of those.

A change holds for the next call, also of runs that are under way: policy is a matter of safety.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, get_args

import structlog

from config.agents import AgentSpec
from config.policies import Tag, ToolPolicies
from mcp_config.calls.decision import find_legs
from mcp_config.registry import ToolRegistry
from server.db.policies import PolicyVersions
from server.keys import Principal
from server.resources.pages import Page, PageQuery
from server.resources.policies import PolicySet

_TRIFECTA: Final[frozenset[Tag]] = frozenset(get_args(Tag))

_log = structlog.stdlib.get_logger("server.policies")


class PolicyBook:
    def __init__(
        self,
        versions: PolicyVersions,
        present: PolicySet,
        tools: ToolRegistry,
        agents: Callable[[], Iterable[AgentSpec]],
    ) -> None:
        """`present` are the policies that `tools` were opened with."""
        self._versions, self._tools, self._agents = versions, tools, agents
        self._present = present
        self._changing = asyncio.Lock()

    @property
    def present(self) -> PolicySet:
        return self._present

    async def replace(self, policies: ToolPolicies, by: Principal, based_on: int | None) -> PolicySet:
        """Puts other policies in force, for good.

        Raises:
            Conflict: `based_on` is not the version that rules.
        """
        async with self._changing:  # what was written last is what holds
            self._present = await self._versions.add(policies, by, based_on)
            self._tools.govern(policies)
        self.warn(self._agents())
        return self._present

    async def renew(self) -> None:
        """Puts in force what another process has set."""
        if await self._versions.newest() == self._present.version:
            return
        async with self._changing:
            newest = await self._versions.find_newest()
            if newest is None or newest.version == self._present.version:
                return
            self._present = newest
            self._tools.govern(newest.policies)
        _log.info("tool policies were set by another process", version=newest.version)
        self.warn(self._agents())

    async def page(self, query: PageQuery) -> Page[PolicySet]:
        return await self._versions.page(query)

    def warn(self, agents: Iterable[AgentSpec]) -> None:
        """Says which agents hold all that it takes to carry private data out on a stranger's word."""
        for agent in agents:
            if agent.enabled and find_legs(agent, self._present.policies) >= _TRIFECTA:
                _log.warning(
                    "this agent may read private data and untrusted content and send things out, all at once; what it "
                    "sends after reading such content needs a person's approval. Split it into two agents",
                    agent=agent.id,
                )


async def load_policies_in_force(versions: PolicyVersions, file: ToolPolicies) -> PolicySet:
    """Returns the newest version that was set, or what the file says."""
    if (newest := await versions.find_newest()) is None:
        return PolicySet(version=0, source="file", policies=file, changed_by=None, created_at=None)
    if newest.policies != file:
        _log.info("tool policies were set over the API and rule instead of the file", version=newest.version)
    return newest
