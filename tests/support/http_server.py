"""A real MCP server over streamable HTTP, as a process: `echo`, `count`, `hang`. Prints its port once it listens."""

import asyncio
import socket
import sys

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.session import ServerSession


def build_server() -> FastMCP:
    server = FastMCP("http", log_level="ERROR", stateless_http=False)

    @server.tool()
    def echo(text: str) -> str:
        return text

    @server.tool()
    def header(context: Context[ServerSession, None]) -> str:
        request = context.request_context.request
        return str(request.headers.get("x-canary")) if request is not None else ""

    @server.tool()
    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    @server.tool()
    def big(size: int) -> str:
        return "x" * size

    return server


def main(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(build_server().streamable_http_app(), log_level="error", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
