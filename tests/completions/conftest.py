"""One real server for all tests of this area, as for those of the REST API, with the documentation tools besides,
and one tool that acts: it asks first, and leaves a trace each time."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tests.completions.deputy import ACTING_SERVER, Deputy, traces_in
from tests.http.conftest import admin, model, nobody, other, user
from tests.http.serving import ADMIN_KEY, SERVERS, USER_KEY, Served, build_settings, open_served, write_policies
from tests.support.scripted_model import ScriptedModel
from tests.support.waiting import PATIENCE, until

__all__ = ["admin", "model", "nobody", "other", "user"]

DOCS = {"command": "${PYTHON}", "args": ["-m", "mcp_config.servers.docs"], "env": {"DOCS_FOLDERS": "${DOCS_FOLDERS}"}}

ASKS = {"match": "acting__act", "verdict": "ask"}
DEPUTY = {
    "id": "deputy",
    "name": "Deputy",
    "description": "Acts.",
    "system_prompt": "You act.",
    "allowed_tools": ["acting__act"],
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("handbook")
    (folder / "garden.md").write_text("# Garden\n\n## Watering\n\nWater the tulips on Tuesdays.\n")
    data = tmp_path_factory.mktemp("data")
    acting = {"command": "${PYTHON}", "args": ["-I", "-S", ACTING_SERVER, str(traces_in(data))]}
    servers = {"mcpServers": {**SERVERS["mcpServers"], "docs": DOCS, "acting": acting}}
    settings = build_settings(
        data,
        model.base_url,
        mcp_servers=json.dumps(servers),
        docs_folders=[folder],
        tool_policies_file=write_policies(folder / "tool_policies.yaml", ASKS),
    )
    async with open_served(settings) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def deputy(served: Served) -> AsyncIterator[Deputy]:
    """An agent that may act, once its tool is up."""
    async with served.client(ADMIN_KEY) as admin:
        (await admin.post("/v1/agents", json=DEPUTY)).raise_for_status()

        async def up() -> bool:
            return (await admin.get("/v1/tools/acting__act")).is_success

        await until(up)
        yield Deputy(traces_in(served.settings.data_dir))
        (await admin.delete("/v1/agents/deputy")).raise_for_status()


@pytest_asyncio.fixture(loop_scope="session")
async def openai(served: Served) -> AsyncIterator[AsyncOpenAI]:
    """The official client, as a user of the product would make it; it would retry what it may."""
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=USER_KEY, timeout=PATIENCE) as client:
        yield client
