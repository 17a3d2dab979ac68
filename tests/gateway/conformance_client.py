"""Our own client layer as the program that the conformance suite runs: `python -m tests.gateway.conformance_client`."""

import asyncio
import os
import sys
from dataclasses import dataclass

from mcp_config.sdk import Session, open_session
from mcp_config.server_config import ServerConfig
from mcp_config.talkback import Ears, Params
from mcp_config.warden import open_warden


@dataclass(frozen=True)
class Filling:
    """A client whose user takes what a form suggests."""

    def progressed(self, progress: float, total: float | None, message: str | None) -> None: ...

    def logged(self, params: Params) -> None: ...

    async def elicit(self, params: Params) -> Params | None:
        schema = params["requestedSchema"]
        properties = schema["properties"] if isinstance(schema, dict) else {}
        assert isinstance(properties, dict)
        suggested = {
            name: each["default"] for name, each in properties.items() if isinstance(each, dict) and "default" in each
        }
        return {"action": "accept", "content": suggested}

    async def sample(self, params: Params) -> Params | None:
        return None


async def visit(url: str, scenario: str) -> None:
    config = ServerConfig(name="suite", transport="http", url=url)
    ears = Ears(lambda notice: None)
    async with open_warden(wanted=False) as warden, open_session(config, warden, ears) as session:
        await session.initialize()
        tools = (await session.list_page(None)).get("tools")
        for tool in tools if isinstance(tools, list) and scenario != "initialize" else ():
            assert isinstance(tool, dict)
            await use(session, ears, str(tool["name"]))


async def use(session: Session, ears: Ears, name: str) -> None:
    client = Filling()
    with ears.board.joined(client):
        arguments: Params = {"a": 2, "b": 3} if name == "add_numbers" else {}
        await session.request("tools/call", {"name": name, "arguments": arguments}, client=client)


if __name__ == "__main__":
    asyncio.run(visit(sys.argv[1], os.environ["MCP_CONFORMANCE_SCENARIO"]))
