"""The MCP servers: each is started once, all side by side, and ended again; and the rules for what they offer."""

from collections.abc import AsyncIterator, Iterator, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from config.errors import ConfigError
from config.policies import ToolPolicies
from config.settings import Settings
from mcp_config.calls.decision import PERSON
from mcp_config.calls.idle_rules import Known, find_idle_names
from mcp_config.definitions.pins import load_lock
from mcp_config.definitions.quarantine import Quarantine
from mcp_config.entries.login_advice import takes_login
from mcp_config.entries.server_config import ServerConfig
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.registry import ToolRegistry, open_registry
from mcp_config.server_health import ServerHealth
from server.cli.checks.finding import Finding, fault, note, ok

_REST: Final = "the others work without it"
_OF_THE_HOUSE: Final = frozenset({"artifact__", "memory__"})
_MOST_IDLE: Final = 5


@dataclass(frozen=True)
class Governed:
    """Who may call, by which rules."""

    policies: ToolPolicies
    agents: Set[str]


async def check_servers(settings: Settings, servers: list[ServerConfig], governed: Governed) -> AsyncIterator[Finding]:
    try:
        quarantine = Quarantine(load_lock(settings.tools_lock), load_lock(settings.data_dir / "tools.lock"))
    except ConfigError as error:
        yield fault("tools lock", str(error))
        return
    deadlines = Deadlines.of(settings)
    guards = Guards(quarantine=quarantine)
    async with open_registry(servers, governed.policies, lambda _: None, deadlines, guards) as registry:
        await registry.ready(["*"])
        health = registry.health()
        known = _known(registry, governed.agents)
    for server in servers:
        finding = _finding(server, health[server.name], settings.server_start_timeout)
        own = {name for name in known.tools if name.startswith(f"{server.prefix}__")}
        yield finding if finding.verdict != "ok" or _may_run(own, governed.policies) else _forbidden(finding)
    for finding in _check_names(governed.policies, known):
        yield finding


def _known(registry: ToolRegistry, agents: Set[str]) -> Known:
    """What could not be started may have any tool; what is put aside is there all the same."""
    down = [one.config.prefix for one in registry.connections if one.health.state != "ready"]
    prefixes = frozenset(f"{prefix}__" if prefix else "" for prefix in down)
    tools = {spec.name for spec in registry.all()} | {change.tool for change in registry.quarantine.changes()}
    return Known(frozenset(agents), frozenset(tools), prefixes | _OF_THE_HOUSE)


def _may_run(tools: Set[str], policies: ToolPolicies) -> bool:
    may = [rule.match for rule in policies.rules if rule.verdict != "deny" and rule.agents != [PERSON]]
    return not tools or any(fnmatchcase(tool, glob) for tool in tools for glob in may)


def _forbidden(finding: Finding) -> Finding:
    return note(finding.part, f"{finding.detail}; no rule of the policies lets an agent call any of them")


def _check_names(policies: ToolPolicies, known: Known) -> Iterator[Finding]:
    idle = find_idle_names(policies, known)
    yield from (note("policies", line) for line in idle[:_MOST_IDLE])
    if len(idle) > _MOST_IDLE:
        yield note("policies", f"and {len(idle) - _MOST_IDLE} names more that fit nothing")


def _finding(server: ServerConfig, health: ServerHealth, patience: float) -> Finding:
    part = f"server {server.name}"
    match health.state:
        case "ready" if not health.detail:
            confined = "" if health.sandbox == "none" else f", in its sandbox ({health.sandbox})"
            return ok(part, f"{health.tools} tool{'' if health.tools == 1 else 's'}{confined}")
        case "ready" | "degraded":
            return note(part, health.detail)
        case "starting":
            return fault(part, f"did not start within {patience:g} s: see its own log, or raise SERVER_START_TIMEOUT")
        case "off" if not server.required:
            return note(part, f"{health.detail}: {_REST}")
        case "auth_required" if takes_login(server):
            return note(part, "wants a login; `open-agent tools servers` says whether the running server has one")
        case "failed" | "auth_required" | "off":
            where = _hint(server, health)
            return fault(part, f"{health.detail}{where}: mend its entry in the servers file, or take it out")


def _hint(server: ServerConfig, health: ServerHealth) -> str:
    """Says where it was looked for, or that what it misses may be there and not be granted."""
    if server.transport != "stdio":
        return f" ({server.program})"
    return "" if health.sandbox == "none" else f" (in its sandbox, {health.sandbox}, it sees only what `grant` names)"
