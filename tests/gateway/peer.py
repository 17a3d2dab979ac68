"""An official MCP client at the gateway, and what it was told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.context import RequestContext
from mcp.shared.session import RequestResponder

from tests.http.serving import Json, Served

_Context = RequestContext[ClientSession, Any]  # Any: the SDK's own


@dataclass
class Peer:
    """One client session."""

    session: ClientSession
    abilities: types.ServerCapabilities
    logs: list[Any]
    notices: list[str]
    asked: list[str]
    progress: list[float] = field(default_factory=list)

    async def call(self, tool: str, **arguments: object) -> types.CallToolResult:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append(progress)

        return await self.session.call_tool(tool, arguments, progress_callback=on_progress)

    async def names(self) -> list[str]:
        return [tool.name for tool in (await self.session.list_tools()).tools]


def words(result: types.CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))


def code(result: types.CallToolResult) -> str | None:
    return (result.meta or {}).get("open-agent/error_code")


@asynccontextmanager
async def open_peer(
    served: Served,
    key: str,
    path: str = "/mcp",
    answer: Json | None = None,
    first: Callable[[], Awaitable[None]] | None = None,
    **more: str,
) -> AsyncIterator[Peer]:
    """Connects. With an `answer` it lets itself be asked, and answers: `action` as its user, `text` as its model.

    Before its user answers, `first` happens.
    """
    logs, notices, asked = list[Any](), list[str](), list[str]()

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        logs.append(params.data)

    async def on_message(
        message: RequestResponder[types.ServerRequest, types.ClientResult] | types.ServerNotification | Exception,
    ) -> None:
        if isinstance(message, types.ServerNotification):
            notices.append(message.root.method)

    async def on_question(
        context: RequestContext[ClientSession, Any], params: types.ElicitRequestParams
    ) -> types.ElicitResult:
        asked.append(params.message)
        if first:
            await first()
        given = answer or {}
        return types.ElicitResult(action=given.get("action", "cancel"), content=given.get("content"))

    async def on_sampling(
        context: RequestContext[ClientSession, Any], params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult:
        content = types.TextContent(type="text", text=(answer or {}).get("text", ""))
        return types.CreateMessageResult(role="assistant", content=content, model="peer")

    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {key}", **more}, timeout=60, trust_env=False) as http,
        streamable_http_client(served.url + path, http_client=http) as (received, sent, _),
        ClientSession(
            received,
            sent,
            logging_callback=on_log,
            message_handler=on_message,
            elicitation_callback=on_question if answer else None,
            sampling_callback=on_sampling if answer else None,
        ) as session,
    ):
        greeting = await session.initialize()
        yield Peer(session, greeting.capabilities, logs, notices, asked)
