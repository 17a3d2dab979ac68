"""Which tools there are now: those of all servers and those of the house, each under the one name that it has here."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from config.policies import ToolPolicies
from config.settings import Settings
from mcp_config.calls.decision import build_settings
from mcp_config.calls.offering import build_offer
from mcp_config.calls.path import OfferedTool
from mcp_config.calls.redacting import redact_spec
from mcp_config.definitions.definition import Definition
from mcp_config.entries.confinement import satisfies
from mcp_config.guards import Guards
from mcp_config.local.local_tool import LocalTool
from mcp_config.names import build_tool_name, matches_any, may_match_prefix
from mcp_config.server_health import ServerHealth
from mcp_config.tools import ToolSpec
from mcp_config.upstream.connection import Connection

_log = logging.getLogger(__name__)


class UnknownTool(LookupError):
    """No tool of this name is there now."""


@dataclass(frozen=True)
class Deadlines:
    start: float = 20.0
    """Seconds a server may take to start, where its entry says nothing else."""
    call: float = 30.0
    """Seconds for one call, where neither policy nor the server's entry says otherwise."""

    @classmethod
    def of(cls, settings: Settings) -> "Deadlines":
        return cls(settings.server_start_timeout, settings.tool_timeout)


class Inventory:
    """The half of the registry that knows what is there; the other half calls it."""

    def __init__(self, policies: ToolPolicies, deadlines: Deadlines, guards: Guards) -> None:
        self._policies, self._guards = policies, guards
        self.deadlines = deadlines
        self._local: list[tuple[LocalTool, Definition]] = []
        self._connections: list[Connection] = []
        self._tools: Mapping[str, OfferedTool] = {}
        self._told: set[str] = set()
        self.watchers: set[Callable[[], None]] = set()
        """Who is told that there are other tools now."""
        self.quarantine = guards.quarantine
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

    def all(self) -> list[ToolSpec]:
        return self.specs(["*"])

    def specs(self, allowed: Sequence[str]) -> list[ToolSpec]:
        return [self._tools[name].spec for name in sorted(self._tools) if matches_any(name, allowed)]

    def get(self, name: str) -> ToolSpec:
        """Raises: UnknownTool."""
        return self._get(name).spec

    async def breaks_promise(self, name: str, structured: JsonValue) -> bool:
        """Tells whether the tool's output schema promises something else than this."""
        promise = self._tools[name].definition.promise if name in self._tools else None
        if promise is None:
            return False
        return not isinstance(structured, dict) or bool(await promise.find_complaint(structured))

    def health(self) -> dict[str, ServerHealth]:
        return {one.config.name: self.quarantine.judge(one.config.name, one.health) for one in self._connections}

    async def ready(self, allowed: Sequence[str]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.deadlines.start):
                for connection in self.needed(allowed):
                    await connection.settled()

    def warming(self, allowed: Sequence[str]) -> list[str]:
        return [c.config.name for c in self.needed(allowed) if c.health.state == "starting"]

    def needed(self, allowed: Sequence[str]) -> list[Connection]:
        """Returns the servers that may have a tool whose name matches one of the globs."""
        prefixes = ((connection, connection.config.prefix) for connection in self._connections)
        return [c for c, p in prefixes if any(may_match_prefix(glob, f"{p}__" if p else "") for glob in allowed)]

    def _get(self, name: str) -> OfferedTool:
        if name not in self._tools:
            raise UnknownTool(name)
        return self._tools[name]

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
        before, admits = self._tools, self.quarantine.admits
        self._tools = {
            name: tool
            for name, tool in tools.items()
            if isinstance(tool.source, LocalTool) or admits(name, tool.source.config, tool.definition)
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
