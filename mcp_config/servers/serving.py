"""Offers functions as read-only MCP tools over stdio. The one place of the built-in servers that knows the SDK."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio.to_thread
from mcp.server.fastmcp import FastMCP
from mcp.types import CallToolResult, TextContent, ToolAnnotations

ToolFunction = Callable[..., str] | Callable[..., Awaitable[str]]
"""Name, docstring and parameters become the tool's name, description and schema; plain functions run in a thread."""

WARNING: Final = "open-agent/warning"
"""In a tool's `_meta`: as `mcp_config.definitions.definition` reads it; a server is a program of its own."""
_READ_ONLY: Final = ToolAnnotations(readOnlyHint=True, destructiveHint=False, idempotentHint=True, openWorldHint=False)


class RefusedError(Exception):
    """What a tool will not or cannot do. The text is for the model and says what to change."""


def serve(name: str, tools: Sequence[ToolFunction], deadline: float = 20.0, *, warning: str | None = None) -> None:
    """Serves the tools until stdin closes. No call takes longer than `deadline` seconds.

    `warning` is for who runs the product: it is in the log at start, and in what is said of the server's health.
    """
    server = FastMCP(name, log_level="WARNING")
    meta = {WARNING: warning} if warning else None
    for tool in tools:
        server.add_tool(_guarded(tool, deadline), annotations=_READ_ONLY, meta=meta, structured_output=False)
    server.run("stdio")


def _guarded(tool: ToolFunction, deadline: float) -> Callable[..., Awaitable[CallToolResult]]:
    @functools.wraps(tool)
    async def call(**arguments: object) -> CallToolResult:
        try:
            async with asyncio.timeout(deadline):
                return _result(await _run(tool, arguments), failed=False)
        except RefusedError as refusal:
            return _result(str(refusal), failed=True)
        except TimeoutError:
            return _result(f"No answer within {deadline:g} seconds; ask for less.", failed=True)

    return call


async def _run(tool: ToolFunction, arguments: dict[str, object]) -> str:
    work = functools.partial(tool, **arguments)
    if inspect.iscoroutinefunction(tool):
        answer = work()
    else:
        # abandoned at the deadline: a stuck mount must not make the whole server stuck
        answer = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    return answer if isinstance(answer, str) else await answer


def _result(text: str, *, failed: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], isError=failed)
