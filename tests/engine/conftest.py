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
from server.engine.rounds import EVERY_SECONDS
from server.engine.sole_use import open_sole_use
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
    database_url: str
    script: ScriptedModel
    tools: dict[str, Tool] = field(default_factory=dict)

    @asynccontextmanager
    async def house(self, concurrency: int = 8, round_every: float = EVERY_SECONDS) -> AsyncIterator[House]:
        settings = Settings(
            _env_file=None,
            data_dir=self.folder,
            database_url=self.database_url,
            model_provider="openai",
            openai_api_key="sk-test",
            openai_base_url=self.script.base_url,
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(open_sole_use(settings.database_url, self.folder))
            store = await stack.enter_async_context(open_store(settings.database_url))
            checkpoints = await stack.enter_async_context(open_checkpoints(settings.database_url, self.folder))
            models = OneModel(build_openai(settings, "scripted", stack))
            tools = Workbench(self.tools)
            tools.up.set()
            aliases = {"default": "openai:scripted", "fast": "openai:scripted"}
            registry = AgentRegistry(store.agents, aliases, models, tools, checkpoints.saver)
            await registry.seed(AGENTS)
            opened = open_engine(store, registry, checkpoints, concurrency, round_every)
            yield House(store, registry, await stack.enter_async_context(opened), tools)


@pytest.fixture
def place(tmp_path: Path) -> str:
    """The database that houses stand on. A file of tests overrides it with `database_url`, to be run on both kinds."""
    return f"sqlite:///{tmp_path / 'app.db'}"


@pytest.fixture
def site(tmp_path: Path, place: str, scripted_model: ScriptedModel) -> Site:
    return Site(tmp_path, place, scripted_model)


@pytest.fixture
async def house(site: Site) -> AsyncIterator[House]:
    async with site.house() as house:
        yield house
