"""Opens a registry with one server in each mode given, says so, and waits to be killed."""

import asyncio
import sys

from mcp_config.inventory import Deadlines
from mcp_config.registry import open_registry
from tests.mcp_config.rig import ALLOW_ALL, chaos


async def main(modes: list[str]) -> None:
    servers = [chaos(mode, mode) for mode in modes]
    async with open_registry(servers, ALLOW_ALL, lambda _: None, Deadlines()) as registry:
        await registry.ready(["*"])
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
