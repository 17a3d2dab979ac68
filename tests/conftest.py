"""What all tests share."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from config.settings import Settings

pytest_plugins = ["tests.support.fixtures", "tests.support.databases", "tests.support.postgres_shop"]

# Weights are fetched once for a machine, so `make test-model` may be told where they are.
_KEPT = {"MODEL_DIR"}
_DEAR = ("postgres_shop", "survivor", "made")
_FOREIGN = ("LANGSMITH_", "LANGCHAIN_", "OPENAI_", "AZURE_OPENAI_", "OLLAMA_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what is dear to make run in one worker, which makes it once."""
    for item in items:
        for name in _DEAR:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    """No test meets the settings, keys, tracing or proxies of the person who runs it."""
    settings = {name.upper() for name in Settings.model_fields} - _KEPT
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name in settings or name.startswith(_FOREIGN)]:
            patch.delenv(name)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session", autouse=True)
def open_ears() -> None:
    """Shells start what runs in the background deaf to Ctrl-C, and all that it starts: tests send it to programs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left(plain_environment: None) -> Iterator[None]:
    """What a test starts, it ends: nothing of ours outlives the tests."""
    yield
    _, alive = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=30)
    assert [command for process in alive if (command := _command(process))] == []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has ended just now, or has ended and nobody has asked how
        return []
