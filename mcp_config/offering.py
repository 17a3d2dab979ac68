"""Puts together what is needed to run a tool: what it is, where it is, and the bounds that its policies set. Pure."""

from config.policies import ToolSettings
from mcp_config.connection import Connection
from mcp_config.definitions import Definition
from mcp_config.local_tools import LocalTool
from mcp_config.path import OfferedTool
from mcp_config.specs import build_spec


def build_offer(
    name: str, definition: Definition, source: Connection | LocalTool, settings: ToolSettings, call: float, result: int
) -> OfferedTool:
    """Returns the tool as it is offered; `call` seconds and `result` bytes hold where nothing else was said."""
    if isinstance(source, Connection):
        server, repeats, own = source.config.name, source.config.repeats(definition.name), source.config.timeout
    else:
        server, repeats, own = source.server, False, None
    spec = build_spec(name, server, definition, settings, repeats)
    return OfferedTool(spec, definition, source, settings.timeout or own or call, settings.max_result or result)
