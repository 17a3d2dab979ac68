"""One real application over loopback for all commands that talk to one."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.http.serving import Served, build_settings, open_served, write_policies
from tests.support.scripted_model import ScriptedModel, open_strict_model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[ScriptedModel]:
    async with open_strict_model() as model:
        yield model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("data")
    policies = write_policies(folder / "tool_policies.yaml")
    async with open_served(build_settings(folder, model.base_url, tool_policies_file=policies)) as served:
        yield served
