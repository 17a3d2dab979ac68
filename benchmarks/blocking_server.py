"""One MCP server over stdio whose tools keep others waiting, where they can: `python -m benchmarks.blocking_server`."""

import time
from typing import Annotated

from mcp.server.fastmcp import FastMCP
from pydantic import Field

SECONDS = 10


def build_server() -> FastMCP:
    server = FastMCP("blocking", log_level="ERROR")

    @server.tool()
    def sleep() -> str:
        """Blocks this whole server, as a careless one would."""
        time.sleep(SECONDS)
        return "slept"

    @server.tool()
    def match(text: Annotated[str, Field(pattern="^(a+)+$")]) -> int:
        """Its pattern takes for ever on some texts."""
        return len(text)

    @server.tool()
    def rows() -> dict[str, list[dict[str, str | int]]]:
        """As many values, in as many bytes, as one message may hold."""
        return {"rows": [{"id": number, "name": "Ann Miller " * 20} for number in range(16_000)]}

    return server


if __name__ == "__main__":
    build_server().run()
