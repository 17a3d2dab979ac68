"""One real application over loopback for all tests of the typed client."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from server.client import Client, open_client
from tests.http.serving import ADMIN_KEY, Served, build_settings, open_served
from tests.support.scripted_model import ScriptedModel, open_strict_model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[ScriptedModel]:
    async with open_strict_model() as model:
        yield model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with open_served(build_settings(tmp_path_factory.mktemp("data"), model.base_url)) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def client(served: Served) -> AsyncIterator[Client]:
    async with open_client(served.url, ADMIN_KEY) as client:
        yield client
