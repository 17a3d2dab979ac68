"""One real server for all tests of this area, as for those of the REST API, with the documentation tools besides."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tests.http.conftest import admin, model, nobody, other, user
from tests.http.serving import SERVERS, USER_KEY, Served, build_settings, open_served
from tests.support.scripted_model import ScriptedModel

__all__ = ["admin", "model", "nobody", "other", "user"]

DOCS = {"command": "${PYTHON}", "args": ["-m", "mcp_config.servers.docs"], "env": {"DOCS_FOLDERS": "${DOCS_FOLDERS}"}}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("handbook")
    (folder / "garden.md").write_text("# Garden\n\n## Watering\n\nWater the tulips on Tuesdays.\n")
    servers = {"mcpServers": {**SERVERS["mcpServers"], "docs": DOCS}}
    settings = build_settings(
        tmp_path_factory.mktemp("data"), model.base_url, mcp_servers=json.dumps(servers), docs_folders=[folder]
    )
    async with open_served(settings) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def openai(served: Served) -> AsyncIterator[AsyncOpenAI]:
    """The official client, as a user of the product would make it; it would retry what it may."""
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=USER_KEY, timeout=10) as client:
        yield client
