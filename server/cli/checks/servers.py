"""The MCP servers: each is started once, all side by side, and ended again."""

from collections.abc import AsyncIterator
from typing import Final

from config.policies import ToolPolicies
from config.settings import Settings
from mcp_config.entries.login_advice import takes_login
from mcp_config.entries.server_config import ServerConfig
from mcp_config.inventory import Deadlines
from mcp_config.registry import open_registry
from mcp_config.server_health import ServerHealth
from server.cli.checks.finding import Finding, fault, note, ok

_REST: Final = "the others work without it"


async def check_servers(
    settings: Settings, servers: list[ServerConfig], policies: ToolPolicies
) -> AsyncIterator[Finding]:
    async with open_registry(servers, policies, lambda _: None, Deadlines.of(settings)) as registry:
        await registry.ready(["*"])
        health = registry.health()
    for server in servers:
        yield _finding(server, health[server.name], settings.server_start_timeout)


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
            return fault(part, f"{health.detail}: mend its entry in the servers file, or take it out")
