"""Puts together what is needed to run a tool: what it is, where it is, and the bounds that its policies set. Pure."""

from config.policies import ToolSettings
from mcp_config.calls.path import OfferedTool
from mcp_config.definitions.definition import Definition
from mcp_config.definitions.specs import build_spec
from mcp_config.local.local_tool import LocalTool
from mcp_config.upstream.connection import Connection


def build_offer(
    name: str,
    definition: Definition,
    source: Connection | LocalTool,
    settings: ToolSettings,
    timeout: float,
    max_result: int,
) -> OfferedTool:
    """Returns the tool as it is offered; `timeout` and `max_result` hold where nothing else was said."""
    if isinstance(source, Connection):
        server, repeats = source.config.name, source.config.repeats(definition.name)
        own, idle = source.config.timeout, source.config.idle_timeout
    else:
        server, repeats, own, idle = source.server, False, None, None
    spec = build_spec(name, server, definition, settings, repeats)
    return OfferedTool(
        spec,
        definition,
        source,
        timeout=settings.timeout or own or timeout,
        max_result=settings.max_result or max_result,
        idle_timeout=settings.idle_timeout or idle,
    )
