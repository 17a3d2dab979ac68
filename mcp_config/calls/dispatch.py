"""The last piece of the governed path: the call itself, to a server or to a tool of the house, within its deadline."""

import asyncio
import logging
from dataclasses import replace
from functools import partial

from mcp_config.calls.attendant import Attendant
from mcp_config.calls.content import build_result
from mcp_config.calls.path import OfferedTool
from mcp_config.calls.redacting import redacted
from mcp_config.errors import ToolError
from mcp_config.identity.user_sessions import UserSessions
from mcp_config.local.local_tool import LocalTool
from mcp_config.names import clean_text
from mcp_config.tools import CallTool, People, ToolCall, ToolResult
from mcp_config.upstream.connection import Connection

_log = logging.getLogger(__name__)


def dispatch(tool: OfferedTool, sessions: UserSessions, people: People | None = None) -> CallTool:
    """`people` answer what the tool's server asks meanwhile, unless the MCP client that calls can be asked."""
    match tool.source:
        case Connection():
            return _dispatch_to_server(tool.source, tool, sessions, people)
        case LocalTool():
            return _dispatch_here(tool.source, tool.timeout)


def _dispatch_to_server(
    connection: Connection, tool: OfferedTool, sessions: UserSessions, people: People | None
) -> CallTool:
    async def call(request: ToolCall) -> ToolResult:
        config = connection.config
        try:
            async with sessions.join(connection, request.caller.owner) as joined:
                config = joined.connection.config
                ask = partial(_ask, joined.connection, tool, people)
                return await (redacted(joined.redactor, ())(request, ask) if joined.redactor else ask(request))
        except ToolError as error:
            text = f"{request.tool} failed: {config.without_secrets(str(error))}"
            return ToolResult(error.status, text, error.code)

    return call


async def _ask(connection: Connection, tool: OfferedTool, people: People | None, request: ToolCall) -> ToolResult:
    attendant = Attendant(request, people)
    raw = await connection.call(tool.spec.original_name, request.arguments, tool.timeout, attendant, tool.idle_timeout)
    return await _as_promised(build_result(raw, whole=request.client is not None), tool)


async def _as_promised(result: ToolResult, tool: OfferedTool) -> ToolResult:
    """A structured result that is not what the tool says of itself is still a result, with a warning."""
    promise, structured = tool.definition.promise, result.structured
    if promise is None or result.status != "ok":
        return result
    wrong = "there is no structured result"
    if isinstance(structured, dict) and not (wrong := await promise.find_complaint(structured)):
        return result
    _log.warning("%s: the result is not what its output schema says: %s", tool.spec.name, clean_text(wrong, 300))
    return replace(result, content=f"[This result does not have the form that the tool promises.]\n{result.content}")


def _dispatch_here(tool: LocalTool, seconds: float) -> CallTool:
    async def call(request: ToolCall) -> ToolResult:
        try:
            async with asyncio.timeout(seconds):
                return await tool.act(request)
        except TimeoutError:
            return ToolResult("timeout", f"{request.tool} gave no answer within {seconds:g} seconds.", "timeout")

    return call
