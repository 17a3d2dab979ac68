"""One house for all attacks that need no settings of their own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.security.house import House, open_house
from tests.support.scripted_model import ScriptedModel, open_scripted_model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[ScriptedModel]:
    async with open_scripted_model() as model:
        yield model
    assert not model.unscripted, [(request.last_user, request.tools) for request in model.unscripted]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with open_house(model, tmp_path_factory.mktemp("house")) as house:
        yield house
