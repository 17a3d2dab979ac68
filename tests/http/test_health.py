"""Alive, ready, and what it is."""

from pathlib import Path

import httpx
import pytest

from server.version import VERSION
from tests.http.serving import build_settings, open_served, servers_settled
from tests.support.scripted_model import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it_is_alive(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_monitors_that_only_ask_for_the_head_are_answered(nobody: httpx.AsyncClient, path: str) -> None:
    answer = await nobody.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_one_sick_tool_server_is_named_and_does_not_matter(nobody: httpx.AsyncClient) -> None:
    await servers_settled(nobody)
    answer = await nobody.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "database": "ready",
        "models": {},
        "mcp_servers": {"time": "ready", "calculator": "ready", "missing": "failed"},
    }


async def test_reasons_are_told_to_who_has_a_key(user: httpx.AsyncClient) -> None:
    told = (await user.get("/v1/info")).json()
    assert (told["name"], told["version"]) == ("open-agent", VERSION)
    assert "no-such-program-anywhere" in told["mcp_servers"]["missing"]["detail"]


@pytest.mark.slow
async def test_a_required_server_that_fails_makes_it_unready(model: ScriptedModel, tmp_path: Path) -> None:
    servers = '{"mcpServers": {"gone": {"command": "no-such-program", "x-open-agent": {"required": true}}}}'
    settings = build_settings(tmp_path, model.base_url, mcp_servers=servers)
    async with open_served(settings) as served, served.client(None) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert (await client.get("/healthz")).status_code == 200


async def test_the_version_is_the_packages() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'version = "{VERSION}"' in project
