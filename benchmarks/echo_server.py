"""One MCP server with one tool, over stdio or HTTP: `python -m benchmarks.echo_server [http]`."""

import socket
import sys

import uvicorn
from mcp.server.fastmcp import FastMCP


def build_server() -> FastMCP:
    server = FastMCP("echo", log_level="ERROR")

    @server.tool()
    def echo(text: str) -> str:
        return text

    return server


def main(transport: str) -> None:
    if transport == "stdio":
        build_server().run()
        return
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(build_server().streamable_http_app(), log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "stdio")
