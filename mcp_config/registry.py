"""All tools of all servers under one roof, and the governed path to each of them. Serving waits for no server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from typing_extensions import override

from config.agents import AgentSpec, Redaction
from config.policies import ToolPolicies
from mcp_config.absence import build_absence
from mcp_config.calls.approval import Complaint, approval, find_complaint, unasked
from mcp_config.calls.decision import Decision, build_settings, decide, find_passed_over, find_refusal, trust
from mcp_config.calls.dispatch import dispatch
from mcp_config.calls.keeping import size_cap
from mcp_config.calls.path import (
    FindAgent,
    allowlist,
    argument_check,
    audited,
    build_path,
    policy,
    rate_limit,
    written_down,
)
from mcp_config.calls.rates import build_rates
from mcp_config.calls.redacting import redacted
from mcp_config.entries.confinement import confine_servers
from mcp_config.entries.login_terms import HOUSE
from mcp_config.entries.server_config import ServerConfig
from mcp_config.guards import Foresight, Guards
from mcp_config.inventory import Deadlines, Inventory, UnknownTool
from mcp_config.tools import (
    Approvals,
    CallTool,
    Ledger,
    ToolBox,
    ToolCall,
    ToolResult,
)
from mcp_config.upstream.connection import Connection
from mcp_config.upstream.owners import stop_owners
from mcp_config.upstream.warden import open_warden


class ToolRegistry(Inventory, ToolBox):
    """The one way to all tools, for agents, people and other programs."""

    def __init__(self, policies: ToolPolicies, find_agent: FindAgent, deadlines: Deadlines, guards: Guards) -> None:
        super().__init__(policies, deadlines, guards)
        self._find_agent = find_agent
        self.sessions, self.logins = guards.sessions, guards.logins
        self.logins.changed = self._take_login

    def _take_login(self, server: str, owner: str) -> None:
        if owner != HOUSE:
            self.sessions.forget(owner)
            return
        for connection in self.connections:
            if connection.config.name == server:
                connection.restart()

    @override
    async def call(self, call: ToolCall, ledger: Ledger, approvals: Approvals | None = None) -> ToolResult:
        await self._guards.heed()
        refusal = find_refusal(call.caller, call.tool, self._agent_of(call))
        if refusal is None:
            await self.ready([call.tool])
            await self._guards.heed()
        decision = self._decide(call)  # after the wait: a policy that came meanwhile holds
        wrappers = [audited(self._guards.audit, decision), allowlist(refusal)]
        listed = build_path(wrappers, lambda request: self._call_listed(request, ledger, approvals, decision))
        return await listed(call)

    async def _call_listed(
        self, call: ToolCall, ledger: Ledger, approvals: Approvals | None, decision: Decision
    ) -> ToolResult:
        tool = self._tools.get(call.tool)
        if tool is None:
            return self._absent(call.tool)
        wrappers = [
            argument_check(tool, self._guards.redactor),
            policy(decision, approval(approvals, decision, self._judge)),
            rate_limit(self._guards.rates, build_rates(self._policies, call.caller, call.tool)),
            written_down(ledger),
            size_cap(tool.max_result, self._guards.artifacts),
            redacted(self._guards.redactor, self._hidden_from(call)),
        ]
        return await build_path(wrappers, dispatch(tool, self.sessions, self._guards.people))(call)

    async def reach(self, call: ToolCall, ledger: Ledger, act: CallTool) -> ToolResult:
        """Takes what is no tool's, such as reading a resource, down the same path; rules know it as `call.tool`."""
        await self._guards.heed()
        decision = self._decide(call)
        wrappers = [
            audited(self._guards.audit, decision),
            policy(decision, unasked(decision)),
            rate_limit(self._guards.rates, build_rates(self._policies, call.caller, call.tool)),
            written_down(ledger),
            redacted(self._guards.redactor, self._hidden_from(call)),
        ]
        return await build_path(wrappers, act)(call)

    async def foresee(self, call: ToolCall) -> Foresight:
        """Says what would become of the call, by what decides when it is made. Does nothing, counts nowhere.

        Raises:
            UnknownTool: no tool of this name is there now.
        """
        await self.ready([call.tool])
        await self._guards.heed()
        schema = self._get(call.tool).definition.schema
        complaint = self._guards.redactor.text(await schema.find_complaint(call.arguments))
        allowances = await self._guards.rates.look(build_rates(self._policies, call.caller, call.tool))
        over = find_passed_over(call.caller, call.tool, call.arguments, self._policies, schema.defaults)
        return Foresight(self._decide(call), tuple(over), complaint, allowances)

    async def find_complaint(self, call: ToolCall) -> Complaint | None:
        """Returns why a call could not be made with the arguments that a person gave it. Does nothing else.

        Raises:
            UnknownTool: no tool of this name is there now.
        """
        await self.ready([call.tool])
        await self._guards.heed()
        return await find_complaint(call, self._get(call.tool), self._decide(call))

    async def _judge(self, call: ToolCall) -> Complaint | None:
        """Judges what a person has just said yes to: since it was asked, the tool may be gone, or a rule have come."""
        try:
            return await self.find_complaint(call)
        except UnknownTool:
            absent = self._absent(call.tool)
            return Complaint(absent.error_code or "", absent.content)

    def _decide(self, call: ToolCall) -> Decision:
        tool, agent = self._tools.get(call.tool), self._agent_of(call)
        defaults = tool.definition.schema.defaults if tool else None
        decision = decide(call.caller, call.tool, call.arguments, self._policies, agent, call.read, defaults)
        return trust(decision) if self._guards.decided_above and call.caller.role == "service" else decision

    def _agent_of(self, call: ToolCall) -> AgentSpec | None:
        return self._find_agent(call.caller.agent) if call.caller.agent is not None else None

    def _hidden_from(self, call: ToolCall) -> frozenset[Redaction]:
        """Returns the kinds of personal data that the tool's policy or the agent's keeps out of results."""
        agent = self._agent_of(call)
        of_tool = build_settings(self._policies, call.tool).redact or ()
        return frozenset(of_tool).union(agent.policies.redact if agent else ())

    def _absent(self, name: str) -> ToolResult:
        needed = [(connection.config, connection.health) for connection in self.needed([name])]
        return build_absence(name, needed, self.quarantine)


@contextlib.asynccontextmanager
async def open_registry(
    servers: Sequence[ServerConfig],
    policies: ToolPolicies,
    find_agent: FindAgent,
    deadlines: Deadlines | None = None,
    guards: Guards | None = None,
) -> AsyncIterator[ToolRegistry]:
    """Starts all servers side by side, in the background, and ends them all on leaving."""
    deadlines = deadlines or Deadlines()
    guards = guards or Guards()
    registry = ToolRegistry(policies, find_agent, deadlines, guards)
    async with open_warden(wanted=any(server.transport == "stdio" for server in servers)) as warden:
        confined = await confine_servers(servers)
        for config in confined:
            proof = guards.logins.proof(config)
            registry.add(Connection(config, warden, deadlines.start, registry.gather, proof))
        owners = [asyncio.create_task(one.own(), name=f"mcp {one.config.name}") for one in registry.connections]
        try:
            yield registry
        finally:
            await stop_owners(owners)
