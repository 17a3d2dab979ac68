"""An API that takes all its tools from a gateway elsewhere: same names, no processes, each check on one side."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from server.gateway_app import build_gateway_app
from tests.gateway.conftest import SERVERS
from tests.gateway.peer import code, open_peer, words
from tests.http.serving import ADMIN_KEY, Served, build_settings, open_app, open_served
from tests.support.server_process import build_environment
from tests.support.waiting import until

GATEWAY_POLICIES = """
rules:
  - {match: "*", agents: ["nobody"], verdict: allow}
  - {match: plain__count, verdict: ask}
  - {match: complete__*, verdict: deny, reason: not from here}
"""
API_POLICIES = 'rules: [{match: "*", verdict: allow}, {match: plain__count, verdict: ask}]'


@asynccontextmanager
async def open_gateway(folder: Path) -> AsyncIterator[Served]:
    """The gateway alone, with the key that it makes."""
    (folder / "policies.yaml").write_text(GATEWAY_POLICIES)
    more = {"mcp_servers": json.dumps({"mcpServers": SERVERS}), "tool_policies_file": folder / "policies.yaml"}
    settings = build_settings(folder, "http://127.0.0.1:9/v1", api_keys="", **more)
    async with open_app(build_gateway_app(settings), settings) as served:
        yield served


@asynccontextmanager
async def open_api(folder: Path, gateway: Served) -> AsyncIterator[Served]:
    key_file = str(gateway.settings.data_dir / "api_key")
    entry = {"url": f"{gateway.url}/mcp", "x-open-agent": {"prefix": "", "bearer_file": key_file}}
    (folder / "policies.yaml").write_text(API_POLICIES)
    more = {
        "mcp_servers": json.dumps({"mcpServers": {"gateway": entry}}),
        "tool_policies_file": folder / "policies.yaml",
    }
    async with open_served(build_settings(folder, "http://127.0.0.1:9/v1", **more)) as served:
        yield served


async def invoke(client: httpx.AsyncClient, tool: str, **arguments: object) -> httpx.Response:
    return await client.post(f"/v1/tools/{tool}/invoke", json={"arguments": arguments})


@pytest.mark.slow
async def test_an_api_takes_all_its_tools_from_a_gateway_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "api").mkdir()
    async with (
        open_gateway(tmp_path / "gateway") as gateway,
        httpx.AsyncClient(base_url=gateway.url) as nobody,
    ):
        await until(lambda: _is_up(nobody))
        before = _children()
        async with open_api(tmp_path / "api", gateway) as api, api.client(ADMIN_KEY) as admin:
            await _takes_its_tools(admin)
            assert _children() == before
        assert (await nobody.get("/v1/tools")).status_code == 401
        key = (gateway.settings.data_dir / "api_key").read_text().strip()
        nobody.headers["Authorization"] = f"Bearer {key}"
        assert (await nobody.get("/v1/tools")).status_code == 404
        info = (await nobody.get("/v1/info")).json()
        assert info["name"] == "open-agent gateway"
        assert info["mcp_servers"]["plain"] == {"state": "ready", "detail": "", "sandbox": "none"}


def _children() -> set[int]:
    return {one.pid for one in psutil.Process().children(recursive=True)}


async def _is_up(client: httpx.AsyncClient) -> bool:
    states = (await client.get("/readyz")).json()["mcp_servers"]
    return bool(states == {"complete": "ready", "plain": "ready"})


async def _takes_its_tools(admin: httpx.AsyncClient) -> None:
    async def states() -> str:
        state: str = (await admin.get("/readyz")).json()["mcp_servers"]["gateway"]
        return state

    async def ready() -> bool:
        return await states() == "ready"

    await until(ready)
    names = {tool["name"] for tool in (await admin.get("/v1/tools?limit=100")).json()["data"]}
    assert {"plain__echo", "complete__test_simple_text", "memory__recall"} <= names
    assert (await invoke(admin, "plain__echo", text="far")).json()["result"] == "far"
    # what the gateway's rules deny is denied, whoever asks; the rest is this side's to decide
    refused = (await invoke(admin, "complete__test_simple_text")).json()
    assert (refused["status"], "not from here" in refused["result"]) == ("error", True)
    asked = await invoke(admin, "plain__count")
    approval = asked.json()["id"]
    assert asked.status_code == 202
    assert (await admin.post(f"/v1/approvals/{approval}", json={"decision": "approve"})).status_code == 200

    async def made() -> bool:
        call = (await admin.get(f"/v1/approvals/{approval}")).json()["tool_call"]
        return call is not None and call["status"] == "ok"

    await until(made)


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_the_gateway_starts_alone_tells_its_key_and_ends_in_order(tmp_path: Path) -> None:
    environment = build_environment(tmp_path, MCP_SERVERS=json.dumps({"mcpServers": SERVERS}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "gateway", env=environment, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    told = ""
    async with asyncio.timeout(30):
        while "gateway.md" not in told:
            told += (await process.stdout.readline()).decode()
    url = told.partition("Address")[2].split()[0].removesuffix("/mcp")
    key = told.partition("API key")[2].split()[0]
    async with open_peer(Served(url, build_settings(tmp_path, "http://127.0.0.1:9")), key, "/mcp/plain") as peer:
        assert words(await peer.call("echo", text="alone")) == "alone"
        assert code(await peer.call("nothing")) == "unknown_tool"
    process.terminate()
    async with asyncio.timeout(15):
        await process.communicate()
    assert process.returncode == 0
