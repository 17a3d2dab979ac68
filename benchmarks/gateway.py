"""What the gateway costs: `python -m benchmarks.gateway [CALLS]`. Fails beyond its bounds.

The same echo server is called over HTTP directly, and over stdio behind `open-agent gateway`, in turns, so both see
the same machine.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from benchmarks.measured import Measured, show
from config.checkout import CHECKOUT

MOST_TIMES: Final = 2.0
ROUND: Final = 20
ECHO: Final = (sys.executable, "-m", "benchmarks.echo_server")


@asynccontextmanager
async def open_process(*command: str, **environment: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=CHECKOUT, stdout=PIPE, stderr=DEVNULL, env={"PATH": os.environ["PATH"], **environment}
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def read_until(process: Process, word: str) -> str:
    told = ""
    async with asyncio.timeout(60):
        while word not in told and process.stdout is not None:
            told += (await process.stdout.readline()).decode()
    return told


@asynccontextmanager
async def open_client(url: str, key: str = "none") -> AsyncIterator[ClientSession]:
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False) as http,
        streamable_http_client(url, http_client=http) as (received, sent, _),
        ClientSession(received, sent) as session,
    ):
        await session.initialize()
        yield session


async def time_calls(session: ClientSession, count: int) -> list[float]:
    spent = []
    for _ in range(count):
        began = time.perf_counter()
        result = await session.call_tool("echo", {"text": "hello"})
        spent.append(time.perf_counter() - began)
        if result.isError:
            raise RuntimeError(str(result.content))
    return spent


async def compare(calls: int, folder: Path) -> tuple[float, float]:
    """Returns the median milliseconds of a call: directly, and through the gateway."""
    servers = json.dumps({"mcpServers": {"echo": {"command": ECHO[0], "args": ECHO[1:], "cwd": str(CHECKOUT)}}})
    settings = {"DATA_DIR": str(folder), "MCP_SERVERS": servers, "PORT": "0", "HOME": str(folder)}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_process(*ECHO, "http"))
        alone = await stack.enter_async_context(open_process(sys.executable, "-m", "server.cli", "gateway", **settings))
        port = (await read_until(server, "\n")).strip()
        told = await read_until(alone, "gateway.md")
        address, key = (told.partition(name)[2].split()[0] for name in ("Address", "API key"))
        direct = await stack.enter_async_context(open_client(f"http://127.0.0.1:{port}/mcp"))
        through = await stack.enter_async_context(open_client(f"{address}/echo", key))
        spent: dict[str, list[float]] = {"direct": [], "through": []}
        await time_calls(direct, ROUND)
        await time_calls(through, ROUND)
        for _ in range(calls // ROUND):
            spent["direct"] += await time_calls(direct, ROUND)
            spent["through"] += await time_calls(through, ROUND)
    return statistics.median(spent["direct"]) * 1000, statistics.median(spent["through"]) * 1000


async def measure(calls: int) -> list[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        direct, through = await compare(calls, Path(folder))
    return [
        Measured("a call of a tool directly over HTTP: p50", direct, "ms"),
        Measured("the same through the gateway: p50", through, "ms"),
        Measured("the gateway beside the direct way", through / direct, "times", MOST_TIMES),
    ]


if __name__ == "__main__":
    sys.exit(show(asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 400))))
