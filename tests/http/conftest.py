"""One real server for all tests of this area: the whole application over loopback, with a scripted model behind it."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.http.serving import (
    ADMIN_KEY,
    OTHER_KEY,
    REAL_SERVERS,
    USER_KEY,
    Served,
    build_settings,
    open_served,
    write_policies,
)
from tests.support.scripted_model import ScriptedModel, open_strict_model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[ScriptedModel]:
    async with open_strict_model() as model:
        yield model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("data")
    policies = write_policies(folder / "tool_policies.yaml")
    more = {"mcp_servers": json.dumps(REAL_SERVERS), "tool_policies_file": policies}
    async with open_served(build_settings(folder, model.base_url, **more)) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def admin(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with served.client(ADMIN_KEY) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def user(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with served.client(USER_KEY) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def other(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with served.client(OTHER_KEY) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def nobody(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with served.client(None) as client:
        yield client
