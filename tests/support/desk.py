"""A real MCP server over HTTP that wants a credential of each user, and writes down every header it is sent."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.session import ServerSession
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.waiting import until

LISTING = "Bearer of-the-house-for-lists"


@dataclass
class Upstream:
    """An MCP server that lets in whom it knows, and writes down every header it is sent."""

    app: ASGIApp
    url: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.seen.append(headers)
            if headers.get("authorization") in self.refused:
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await self.app(scope, receive, send)

    def sessions(self, token: str) -> set[str]:
        """Returns the sessions that this token was sent on."""
        sent = [each for each in self.seen if each.get("authorization") == f"Bearer {token}"]
        return {each["mcp-session-id"] for each in sent if "mcp-session-id" in each}


def build_desk() -> FastMCP:
    server = FastMCP("desk", log_level="ERROR", stateless_http=False)

    @server.tool()
    def whoami(context: Context[ServerSession, None]) -> str:
        request = context.request_context.request
        return str(request.headers.get("x-name")) if request is not None else ""

    @server.tool()
    def leak(context: Context[ServerSession, None]) -> str:
        request = context.request_context.request
        return f"you sent {request.headers.get('authorization')}" if request is not None else ""

    @server.resource("desk://at/{place}")
    def at(place: str) -> str:
        request = server.get_context().request_context.request
        return f"{place}: you sent {request.headers.get('authorization')}" if request is not None else ""

    return server


def build_entry(upstream: Upstream) -> dict[str, object]:
    """Returns what `servers.json` says of it."""
    return {
        "url": upstream.url,
        "headers": {"Authorization": "Bearer ${user:DESK_TOKEN}", "X-Name": "desk"},
        "x-open-agent": {"list_headers": {"Authorization": LISTING}},
    }


@asynccontextmanager
async def open_upstream() -> AsyncIterator[Upstream]:
    listener = socket.create_server(("127.0.0.1", 0))
    upstream = Upstream(build_desk().streamable_http_app(), f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
    server = uvicorn.Server(uvicorn.Config(upstream, log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield upstream
    finally:
        server.should_exit = True
        await serving
