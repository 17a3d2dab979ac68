"""`open-agent gateway` as a process, found by what it prints."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from config.checkout import CHECKOUT
from tests.http.serving import Served, build_settings
from tests.support.server_process import START_SECONDS, build_environment


@dataclass(frozen=True)
class Alone:
    served: Served
    key: str
    """The one that it has made, of the role `service`."""
    process: Process

    async def stop(self) -> int | None:
        """Returns the exit code."""
        self.process.terminate()
        async with asyncio.timeout(START_SECONDS):
            await self.process.communicate()
        return self.process.returncode


@asynccontextmanager
async def open_alone(folder: Path, servers: str, **more: str) -> AsyncIterator[Alone]:
    """Starts it, and ends it if that was not done."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "gateway"),
        env=build_environment(folder, MCP_SERVERS=servers, **more),
        cwd=CHECKOUT,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        told = await _read_until(process, "gateway.md")
        url = told.partition("Address")[2].split()[0].removesuffix("/mcp")
        key = told.partition("API key")[2].split()[0]
        yield Alone(Served(url, build_settings(folder, "http://127.0.0.1:9")), key, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _read_until(process: Process, word: str) -> str:
    told = ""
    async with asyncio.timeout(START_SECONDS):
        while word not in told and process.stdout is not None:
            told += (await process.stdout.readline()).decode()
    return told
