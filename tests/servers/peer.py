"""A client session with one built-in server, started as the product starts it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent, Tool
from pydantic import JsonValue

from tests.support.waiting import PATIENCE

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    text: str
    failed: bool


@dataclass(frozen=True)
class Peer:
    session: ClientSession

    async def tools(self) -> list[Tool]:
        return (await self.session.list_tools()).tools

    async def call(self, tool: str, **arguments: JsonValue) -> Answer:
        result = await self.session.call_tool(tool, arguments)
        texts = [part.text for part in result.content if isinstance(part, TextContent)]
        return Answer("\n".join(texts), result.isError)

    async def ok(self, tool: str, **arguments: JsonValue) -> str:
        """Returns the answer of a call that must not fail."""
        answer = await self.call(tool, **arguments)
        assert not answer.failed, answer.text
        return answer.text

    async def refusal(self, tool: str, **arguments: JsonValue) -> str:
        """Returns the error text of a call that must fail."""
        answer = await self.call(tool, **arguments)
        assert answer.failed, answer.text
        return answer.text


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextlib.asynccontextmanager
async def open_peer(server: str, *flags: str, env: Mapping[str, str]) -> AsyncIterator[Peer]:
    """Starts `python -m mcp_config.servers.<server>` with this environment and no other."""
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", f"mcp_config.servers.{server}", *flags],
        env={"PYTHONPATH": str(PROJECT), **env},
        cwd=PROJECT,
    )
    async with (
        stdio_client(program) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        async with asyncio.timeout(PATIENCE):
            await session.initialize()
        yield Peer(session)


async def run_to_exit(server: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Returns exit code and stderr of a server that does not come up."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"mcp_config.servers.{server}"),
        env={"PATH": os.defpath, "PYTHONPATH": str(PROJECT), **env},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        _, errors = await child.communicate()
    return child.returncode or 0, errors.decode()
