"""Why a tool cannot be called that is not offered now, in words for whoever called it. Pure."""

from collections.abc import Iterable

from mcp_config.definitions.quarantine import CHANGED, Quarantine
from mcp_config.entries.server_config import ServerConfig
from mcp_config.server_health import ServerHealth
from mcp_config.tools import ToolResult


def build_absence(name: str, needed: Iterable[tuple[ServerConfig, ServerHealth]], quarantine: Quarantine) -> ToolResult:
    """Returns why; `needed` are the servers that could have such a tool, as they are."""
    if quarantine.find(name):
        return ToolResult("error", f"{name} was not called: {CHANGED}.", "tool_definition_changed")
    for server, health in needed:
        if server.prefix and health.state in ("failed", "auth_required", "off", "starting"):
            why = f"the server {server.name} is not available: {health.detail or 'it is still starting'}"
            return ToolResult("error", f"{name} was not called: {why}", "server_unavailable")
    return ToolResult("error", f"There is no tool {name[:100]!r}.", "unknown_tool")
