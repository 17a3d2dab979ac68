"""The official SDK's second generation. It cannot stand beside the first in one environment: it is put before it.

All that it needs is in our environment already, at versions that fit; only the SDK itself is installed aside.
"""

import sys
import zlib
from pathlib import Path
from typing import Final

import pytest
from filelock import FileLock

from tests.gateway.node import run

LOCK: Final = Path(__file__).with_name("second_generation.lock")

CLIENT: Final = """
import asyncio, sys
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

async def main(url, key):
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            result = await client.call_tool("time__get_current_time", {"timezone": "UTC"})
            echoed = await client.call_tool("second__echo", {"text": "from the second generation"})
            print(names, result.is_error, result.content[0].text, echoed.content[0].text)

asyncio.run(main(*sys.argv[1:]))
"""
SERVER: Final = """
from mcp.server import MCPServer

server = MCPServer("second")

@server.tool()
def echo(text: str) -> str:
    return text

server.run("stdio")
"""


async def install_second_generation(cache: pytest.Cache) -> str:
    """Returns the folder to name in PYTHONPATH; what is there already is not fetched again."""
    folder = cache.mkdir(f"mcp-{zlib.crc32(LOCK.read_bytes()):08x}")
    done = folder / "installed"
    with FileLock(folder / "lock"):
        if not done.exists():
            options = ("--quiet", "--no-input", "--no-deps", "--require-hashes", "--upgrade")
            target = ("--target", str(folder / "packages"), "--requirement", str(LOCK))
            code, printed = await run(sys.executable, "-m", "pip", "install", *options, *target, PIP_USER="0")
            assert code == 0, printed
            done.touch()
    return str(folder / "packages")
