"""A whole engine: real store, real graph, a real model client on a scripted server, tools that are the test's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.agents import AgentSpec
from config.settings import Settings
from nodes.models.providers.openai_models import build_openai
from server.db.store import Store, open_store
from server.engine.checkpoints import open_checkpoints
from server.engine.engine import Engine, open_engine
from server.registry import AgentRegistry
from tests.graph.conftest import OneModel, agent
from tests.graph.workbench import Tool, Workbench
from tests.support.scripted_model import ScriptedModel

AGENTS: tuple[AgentSpec, ...] = (agent("router"), agent("general"), agent("clock", "time__*"))


@dataclass(frozen=True)
class House:
    """What one process of the server holds."""

    store: Store
    registry: AgentRegistry
    engine: Engine
    tools: Workbench


@dataclass
class Site:
    """A data folder and what outlives a process: houses are opened on it, one after the other."""

    folder: Path
    script: ScriptedModel
    tools: dict[str, Tool] = field(default_factory=dict)

    @asynccontextmanager
    async def house(self, concurrency: int = 8) -> AsyncIterator[House]:
        settings = Settings(
            _env_file=None,
            data_dir=self.folder,
            model_provider="openai",
            openai_api_key="sk-test",
            openai_base_url=self.script.base_url,
        )
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_store(settings.database_url))
            checkpoints = await stack.enter_async_context(open_checkpoints(self.folder))
            models = OneModel(build_openai(settings, "scripted", stack))
            tools = Workbench(self.tools)
            tools.up.set()
            aliases = {"default": "openai:scripted", "fast": "openai:scripted"}
            registry = AgentRegistry(store.agents, aliases, models, tools, checkpoints)
            await registry.seed(AGENTS)
            opened = open_engine(store, registry, checkpoints, self.folder, concurrency)
            yield House(store, registry, await stack.enter_async_context(opened), tools)


@pytest.fixture
def site(tmp_path: Path, scripted_model: ScriptedModel) -> Site:
    return Site(tmp_path, scripted_model)


@pytest.fixture
async def house(site: Site) -> AsyncIterator[House]:
    async with site.house() as house:
        yield house
