"""One server process for the faults that need no restart, and how much of everything is tried."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.faults.lab import Lab
from tests.support.scripted_model import Replies, ScriptedModel, open_strict_model, prompted
from tests.support.server_process import Running


@dataclass(frozen=True)
class Extent:
    """How much is tried: little in `make test`, all of it in `make faults`."""

    points: int
    """At how many points of its way a run is killed."""
    readers: int
    """How many follow one run."""
    seed: int


@pytest.fixture(scope="session")
def extent() -> Extent:
    def given(name: str, default: int) -> int:
        return int(os.environ.get(name) or default)

    return Extent(given("FAULTS_POINTS", 4), given("FAULTS_READERS", 200), given("FAULTS_SEED", 1))


@pytest.fixture
def lab(tmp_path: Path, scripted_model: ScriptedModel) -> Lab:
    return Lab(tmp_path, scripted_model)


@dataclass(frozen=True)
class Standing:
    """A server that many tests use, one after the other."""

    lab: Lab
    running: Running

    @property
    def model(self) -> ScriptedModel:
        return self.lab.model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Standing]:
    async with open_strict_model() as model:
        model.always(prompted("running summary"), Replies.text("It was about faults."))
        lab = Lab(tmp_path_factory.mktemp("standing"), model, {"READER_TIMEOUT": "2"})
        async with lab.serving() as running:
            yield Standing(lab, running)
            assert await running.stop() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def client(standing: Standing) -> AsyncIterator[httpx.AsyncClient]:
    async with standing.running.client() as client:
        yield client
