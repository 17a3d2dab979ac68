"""One house for all attacks that need no settings of their own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.security.house import House, open_house
from tests.support.scripted_model import ScriptedModel, open_strict_model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[ScriptedModel]:
    async with open_strict_model() as model:
        yield model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with open_house(model, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def header_server() -> AsyncIterator[str]:
    """The address of an MCP server over HTTP that tells which header it was sent."""
    program = Path(__file__).parent.parent / "support" / "http_server.py"
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/mcp"
    finally:
        process.terminate()
        await process.wait()
