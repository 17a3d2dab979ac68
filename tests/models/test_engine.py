"""The engine's life: started when asked, restarted when it ends, gone with us. A real process without a model."""

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from config.checkout import CHECKOUT
from nodes.models.clients import EmbeddedClient
from nodes.models.embedded.engine import Engine, open_engine
from nodes.models.embedded.platform_check import WRONG_PROCESSOR, find_obstacle
from nodes.models.late import LateModel
from nodes.models.port import ModelError
from tests.models.chats import hear
from tests.support.engine_owner import FAKE_ENGINE, known_weights
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WEIGHTS = known_weights("weights.gguf", SHA256, len(CONTENT))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    WEIGHTS.path_in(tmp_path).write_bytes(CONTENT)
    (tmp_path / "life").write_text("serve")
    return tmp_path


@pytest.fixture
async def engine(folder: Path) -> AsyncIterator[Engine]:
    async with open_engine(folder, weights=WEIGHTS, command=FAKE_ENGINE) as engine:
        yield engine


def _starts(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "starts").read_text().splitlines()]
    except FileNotFoundError:
        return []


def _is_gone(pid: int) -> bool:
    """Also true for a process that is over and waits to be collected by a parent that is not us."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def _is_up(address: str) -> bool:
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{address}/health")).is_success


async def test_engine_starts_when_it_is_first_asked_for(engine: Engine, folder: Path) -> None:
    assert (engine.health.state, _starts(folder)) == ("idle", [])
    addresses = await asyncio.gather(engine.address(), engine.address())
    assert await _is_up(addresses[0])
    assert (len(set(addresses)), len(_starts(folder))) == (1, 1)
    await until(lambda: engine.health.state == "ready")


async def test_engine_is_gone_when_its_block_is_left(folder: Path) -> None:
    async with open_engine(folder, weights=WEIGHTS, command=FAKE_ENGINE) as engine:
        await engine.address()
        (pid,) = _starts(folder)
    assert _is_gone(pid)


async def test_engine_that_dies_is_started_again_and_the_model_goes_on(engine: Engine, folder: Path) -> None:
    async with AsyncExitStack() as closing:
        model = LateModel("embedded:m", 4096, EmbeddedClient(engine, closing).find)
        assert (await hear(model)).text == ["Hi ", "there"]
        os.kill(_starts(folder)[0], signal.SIGKILL)
        await until(lambda: len(_starts(folder)) == 2)
        assert (await hear(model)).text == ["Hi ", "there"]


async def test_warm_up_follows_every_start_and_may_fail(engine: Engine, folder: Path) -> None:
    warmed: list[str] = []

    async def warm_up() -> None:
        warmed.append(await engine.address())
        raise ModelError("model_bad_output", "no")

    engine.start(warm_up)
    await until(lambda: engine.health.state == "ready")
    os.kill(_starts(folder)[0], signal.SIGKILL)
    await until(lambda: len(warmed) == 2)
    await until(lambda: engine.health.state == "ready")


async def test_processor_that_is_too_old_is_one_clear_error_and_no_loop(engine: Engine, folder: Path) -> None:
    (folder / "life").write_text("illegal")
    with pytest.raises(ModelError) as caught:
        await engine.address()
    assert (str(caught.value), caught.value.code) == (WRONG_PROCESSOR, "model_unavailable")
    assert (engine.health.state, engine.health.detail, len(_starts(folder))) == ("failed", WRONG_PROCESSOR, 1)


async def test_engine_that_never_comes_up_says_why_and_comes_back_when_mended(engine: Engine, folder: Path) -> None:
    (folder / "life").write_text("crash")
    with pytest.raises(ModelError, match="the engine ended with status 1: the weights are not weights"):
        await engine.address()
    assert engine.health.state == "failed"
    (folder / "life").write_text("serve")
    await engine.close()
    assert await _is_up(await engine.address())


async def test_weights_that_cannot_be_had_are_one_clear_error(folder: Path) -> None:
    WEIGHTS.path_in(folder).unlink()
    async with open_engine(folder, weights=WEIGHTS, command=FAKE_ENGINE) as engine:
        with pytest.raises(ModelError, match=r"run `open-agent model pull`, or save http.* as .*weights.gguf$"):
            await engine.address()
        assert (engine.health.state, _starts(folder)) == ("failed", [])


async def test_engine_does_not_outlive_a_killed_owner(folder: Path) -> None:
    async with _owner(folder) as owner:
        assert owner.stdout is not None
        assert await asyncio.wait_for(owner.stdout.readline(), PATIENCE)
        (pid,) = _starts(folder)
        assert not _is_gone(pid)
        owner.kill()
        await until(lambda: _is_gone(pid))


@asynccontextmanager
async def _owner(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.engine_owner", folder, WEIGHTS.file_name, SHA256,
        cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield owner
    finally:
        if owner.returncode is None:
            owner.kill()
        await owner.wait()


@pytest.mark.parametrize(
    ("flags", "obstacle"),
    [("fpu sse2 avx2 fma f16c", None), ("fpu sse2 avx", WRONG_PROCESSOR), (None, None)],
)
def test_old_processors_are_known_before_anything_is_fetched(
    tmp_path: Path, flags: str | None, obstacle: str | None
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert find_obstacle(cpuinfo) == obstacle


async def test_nobody_is_kept_waiting_by_an_engine_that_cannot_even_be_tried(folder: Path) -> None:
    async with open_engine(folder, weights=WEIGHTS, command=[str(folder / "no such program")]) as engine:
        with pytest.raises(FileNotFoundError):
            await asyncio.wait_for(engine.address(), PATIENCE)
