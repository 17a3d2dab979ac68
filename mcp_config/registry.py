"""All tools of all servers under one roof: names, health, the governed path. Serving waits for no server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from langchain_core.tools import BaseTool
from typing_extensions import override

from config.agents import AgentSpec, Redaction
from config.ids import new_id
from config.policies import ToolPolicies
from mcp_config.absence import build_absence
from mcp_config.approval import Complaint, approval, find_complaint, unasked
from mcp_config.confinement import confine_servers, satisfies
from mcp_config.connection import Connection, ServerHealth
from mcp_config.decision import Decision, build_settings, decide, find_refusal, trust
from mcp_config.definitions import Definition
from mcp_config.dispatch import dispatch
from mcp_config.guards import Foresight, Guards
from mcp_config.keeping import size_cap
from mcp_config.local_tools import LocalTool
from mcp_config.names import build_tool_name, matches_any, may_match_prefix
from mcp_config.offering import build_offer
from mcp_config.owners import stop_owners
from mcp_config.path import (
    FindAgent,
    OfferedTool,
    allowlist,
    argument_check,
    audited,
    build_path,
    policy,
    rate_limit,
    written_down,
)
from mcp_config.rates import build_rates
from mcp_config.redacting import redact_spec, redacted
from mcp_config.sdk import build_langchain_tool
from mcp_config.server_config import ServerConfig
from mcp_config.tools import (
    Approvals,
    Caller,
    CallTool,
    JsonObject,
    Ledger,
    ToolBox,
    ToolCall,
    ToolResult,
    ToolSpec,
    Unwritten,
)
from mcp_config.warden import open_warden

_log = logging.getLogger(__name__)


class UnknownTool(LookupError):
    """No tool of this name is there now."""


@dataclass(frozen=True)
class Deadlines:
    start: float = 20.0
    """Seconds a server may take to start, where its entry says nothing else."""
    call: float = 30.0
    """Seconds for one call, where neither policy nor the server's entry says otherwise."""


class ToolRegistry(ToolBox):
    def __init__(self, policies: ToolPolicies, find_agent: FindAgent, deadlines: Deadlines, guards: Guards) -> None:
        self._policies = policies
        self._find_agent = find_agent
        self.deadlines = deadlines
        self._guards = guards
        self._local: list[tuple[LocalTool, Definition]] = []
        self._connections: list[Connection] = []
        self._tools: Mapping[str, OfferedTool] = {}
        self._told: set[str] = set()
        self.watchers: set[Callable[[], None]] = set()
        """Who is told that there are other tools now."""
        self.quarantine, self.sessions = guards.quarantine, guards.sessions
        self.quarantine.approved = self.gather

    @property
    def connections(self) -> Sequence[Connection]:
        return self._connections

    def add(self, connection: Connection) -> None:
        self._connections.append(connection)

    def govern(self, policies: ToolPolicies) -> None:
        """Puts other policies in force, from the next call on. Calls under way end as they were begun."""
        self._policies = policies
        self._tools = {}
        self.gather()

    def add_local(self, tool: LocalTool) -> None:
        """Offers a tool of the house. Its name is its own: no server can take it."""
        self._local.append((tool, tool.definition))
        self.gather()

    # ------------------------------------------------------------------ what is there
    def all(self) -> list[ToolSpec]:
        return self.specs(["*"])

    @override
    def specs(self, allowed: Sequence[str]) -> list[ToolSpec]:
        return [self._tools[name].spec for name in sorted(self._tools) if matches_any(name, allowed)]

    def get(self, name: str) -> ToolSpec:
        """Raises `UnknownTool`."""
        if name not in self._tools:
            raise UnknownTool(name)
        return self._tools[name].spec

    def health(self) -> dict[str, ServerHealth]:
        return {one.config.name: self.quarantine.judge(one.config.name, one.health) for one in self._connections}

    @override
    async def ready(self, allowed: Sequence[str]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.deadlines.start):
                for connection in self._needed(allowed):
                    await connection.settled()

    @override
    def warming(self, allowed: Sequence[str]) -> list[str]:
        return [c.config.name for c in self._needed(allowed) if c.health.state == "starting"]

    def _needed(self, allowed: Sequence[str]) -> list[Connection]:
        prefixes = ((connection, connection.config.prefix) for connection in self._connections)
        return [c for c, p in prefixes if any(may_match_prefix(glob, f"{p}__" if p else "") for glob in allowed)]

    def gather(self) -> None:
        """Takes stock of all servers' tools anew. Of two with one name the one of the earlier server stands."""
        tools: dict[str, OfferedTool] = {}
        for tool, definition in self._local:
            name = build_tool_name(tool.server, tool.server, tool.name)
            self._take(self._offered(name, definition, tool), tools)
        for connection in self._connections:
            for definition in connection.listing.tools:
                if connection.config.offers(definition.name):
                    self._take(self._offer(connection, definition), tools)
        # only now: a tool that is put aside leaves its name to no other
        before, held = self._tools, self.quarantine.admits
        self._tools = {
            name: tool
            for name, tool in tools.items()
            if isinstance(tool.source, LocalTool) or held(name, tool.source.config, tool.definition)
        }
        if [tool.spec for tool in before.values()] != [tool.spec for tool in self._tools.values()]:
            for watcher in self.watchers:
                watcher()

    def _take(self, tool: OfferedTool, tools: dict[str, OfferedTool]) -> None:
        settings = build_settings(self._policies, name := tool.spec.name)
        if isinstance(tool.source, Connection) and not satisfies(tool.source.config, settings.sandbox):
            # never with less protection than was asked for
            self._tell_once(f"{name} is not offered: its policy asks for the sandbox `{settings.sandbox}`")
        elif tools.setdefault(name, tool) is not tool:
            self._tell_once(f"MCP server {tool.spec.server}: the name {name} is taken by another server's tool")

    def _offer(self, connection: Connection, definition: Definition) -> OfferedTool:
        config = connection.config
        name = build_tool_name(config.prefix, config.name, definition.name)
        known = self._tools.get(name)
        if known is not None and known.definition is definition:
            return known
        return self._offered(name, definition, connection)

    def _offered(self, name: str, definition: Definition, source: Connection | LocalTool) -> OfferedTool:
        settings = build_settings(self._policies, name)
        tool = build_offer(name, definition, source, settings, self.deadlines.call, self._guards.max_result)
        return replace(tool, spec=redact_spec(self._guards.redactor, tool.spec))

    def _tell_once(self, warning: str) -> None:
        if warning not in self._told:
            self._told.add(warning)
            _log.warning("%s", warning)

    # ------------------------------------------------------------------ calling
    @override
    async def call(self, call: ToolCall, ledger: Ledger, approvals: Approvals | None = None) -> ToolResult:
        refusal = find_refusal(call.caller, call.tool, self._agent_of(call))
        if refusal is None:
            await self.ready([call.tool])
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
            argument_check(tool),
            policy(decision, approval(approvals, tool, decision, self._decide)),
            rate_limit(self._guards.rates, build_rates(self._policies, call.caller, call.tool)),
            written_down(ledger),
            size_cap(tool.max_result, self._guards.artifacts),
            redacted(self._guards.redactor, self._hidden_from(call)),
        ]
        return await build_path(wrappers, dispatch(tool, self.sessions))(call)

    async def reach(self, call: ToolCall, ledger: Ledger, act: CallTool) -> ToolResult:
        """Takes what is no tool's, such as reading a resource, down the same path; rules know it as `call.tool`."""
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
        if call.tool not in self._tools:
            raise UnknownTool(call.tool)
        complaint = self._tools[call.tool].definition.schema.complaint(call.arguments)
        allowances = await self._guards.rates.look(build_rates(self._policies, call.caller, call.tool))
        return Foresight(self._decide(call), complaint, allowances)

    async def find_complaint(self, call: ToolCall) -> Complaint | None:
        """Returns why a call could not be made with the arguments that a person gave it. Does nothing else.

        Raises:
            UnknownTool: no tool of this name is there now.
        """
        await self.ready([call.tool])
        if call.tool not in self._tools:
            raise UnknownTool(call.tool)
        return find_complaint(call, self._tools[call.tool], self._decide(call))

    def _decide(self, call: ToolCall) -> Decision:
        decision = decide(call.caller, call.tool, call.arguments, self._policies, self._agent_of(call), call.read)
        return trust(decision) if self._guards.decided_above and call.caller.role == "service" else decision

    def _agent_of(self, call: ToolCall) -> AgentSpec | None:
        return self._find_agent(call.caller.agent) if call.caller.agent is not None else None

    def _hidden_from(self, call: ToolCall) -> frozenset[Redaction]:
        """Returns the kinds of personal data that the tool's policy or the agent's keeps out of results."""
        agent = self._agent_of(call)
        of_tool = build_settings(self._policies, call.tool).redact or ()
        return frozenset(of_tool).union(agent.policies.redact if agent else ())

    def _absent(self, name: str) -> ToolResult:
        needed = [(connection.config, connection.health) for connection in self._needed([name])]
        return build_absence(name, needed, self.quarantine)

    def langchain_tools(
        self, caller: Caller, allowed: Sequence[str] = ("*",), ledger: Ledger | None = None
    ) -> list[BaseTool]:
        """Returns the tools for LangChain, on behalf of the caller; each call takes the governed path."""
        return [self._langchain_tool(spec, caller, ledger or Unwritten()) for spec in self.specs(allowed)]

    def _langchain_tool(self, spec: ToolSpec, caller: Caller, ledger: Ledger) -> BaseTool:
        async def call(arguments: JsonObject) -> ToolResult:
            return await self.call(ToolCall(new_id("call"), spec.name, arguments, caller), ledger)

        return build_langchain_tool(spec, call)


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
    registry = ToolRegistry(policies, find_agent, deadlines, guards or Guards())
    async with open_warden(wanted=any(server.transport == "stdio" for server in servers)) as warden:
        confined = await confine_servers(servers)
        connections = [Connection(config, warden, deadlines.start, registry.gather) for config in confined]
        for connection in connections:
            registry.add(connection)
        owners = [
            asyncio.create_task(connection.own(), name=f"mcp {connection.config.name}") for connection in connections
        ]
        try:
            yield registry
        finally:
            await stop_owners(owners)
