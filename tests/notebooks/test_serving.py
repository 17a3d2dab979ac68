"""How notebooks come to a server: one that is there, or one of their own."""

import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from notebooks.serving import connect, start_server
from server.client import ClientError, open_client
from tests.http.serving import ADMIN_KEY, build_settings, open_served
from tests.support.scripted_model import ScriptedModel

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""


@pytest.fixture(autouse=True)
def no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN_AGENT_URL", raising=False)
    monkeypatch.delenv("OPEN_AGENT_API_KEY", raising=False)


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A server of one's own sets up the logs of its process."""
    handlers, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers, logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.exhaustive
async def test_the_server_that_is_named_is_used(
    scripted_model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_served(build_settings(tmp_path, scripted_model.base_url)) as served:
        monkeypatch.setenv("OPEN_AGENT_URL", served.url)
        monkeypatch.setenv("OPEN_AGENT_API_KEY", ADMIN_KEY)
        connection = await connect()
        try:
            assert connection.url == served.url
            assert "general" in [agent.id for agent in await connection.client.agents()]
        finally:
            await connection.close()


async def test_a_wrong_key_is_told_before_anything_is_asked(
    scripted_model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_served(build_settings(tmp_path, scripted_model.base_url)) as served:
        monkeypatch.setenv("OPEN_AGENT_URL", served.url)
        monkeypatch.setenv("OPEN_AGENT_API_KEY", "wrong")
        with pytest.raises(ClientError) as refused:
            await connect()
    assert refused.value.status == 401


async def test_a_server_of_ones_own_ends_and_leaves_nothing(
    scripted_model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    given = {"openai_base_url": scripted_model.base_url, "mcp_servers": json.dumps({"mcpServers": {}})}
    connection = await start_server(**given)
    await connection.client.create_conversation()
    assert len(left_in(tmp_path)) == 1

    await connection.close()
    assert left_in(tmp_path) == []
    async with open_client(connection.url, "any") as client:
        with pytest.raises(ClientError) as gone:
            await client.agents()
    assert gone.value.code == "unreachable"
