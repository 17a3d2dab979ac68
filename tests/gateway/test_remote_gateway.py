"""An API that takes all its tools from a gateway elsewhere: same names, no processes, each check on one side."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from server.gateway_app import build_gateway_app
from tests.cli.terminal import run, surroundings
from tests.gateway.alone import open_alone
from tests.gateway.conftest import SERVERS
from tests.gateway.peer import code, open_peer, words
from tests.http.serving import (
    ADMIN_KEY,
    KEYS,
    OTHER_KEY,
    USER_KEY,
    Served,
    build_settings,
    open_app,
    open_served,
)
from tests.security.house import ACT, CHAOS
from tests.support.desk import Upstream, build_entry, open_upstream
from tests.support.waiting import until

GATEWAY_POLICIES = """
rules:
  - {match: "*", agents: ["nobody"], verdict: allow}
  - {match: plain__count, verdict: ask}
  - {match: complete__*, verdict: deny, reason: not from here}
"""
API_POLICIES = 'rules: [{match: "*", verdict: allow}, {match: plain__count, verdict: ask}]'


@asynccontextmanager
async def open_gateway(folder: Path, policies: str = GATEWAY_POLICIES) -> AsyncIterator[Served]:
    """The gateway alone, with the key that it makes."""
    (folder / "policies.yaml").write_text(policies)
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


@pytest.mark.slow
async def test_the_gateway_starts_alone_tells_its_key_and_ends_in_order(tmp_path: Path) -> None:
    async with open_alone(tmp_path, json.dumps({"mcpServers": SERVERS})) as alone:
        async with open_peer(alone.served, alone.key, "/mcp/plain") as peer:
            assert words(await peer.call("echo", text="alone")) == "alone"
            assert code(await peer.call("nothing")) == "unknown_tool"
        assert await alone.stop() == 0


@pytest.mark.slow
async def test_the_gateway_alone_holds_definitions_fast_and_knows_its_users_by_their_credentials(
    tmp_path: Path,
) -> None:
    (tmp_path / "act.json").write_text(json.dumps(ACT))
    (tmp_path / "policies.yaml").write_text("rules: [{match: '*', verdict: allow}]")
    turncoat = {"command": sys.executable, "args": ["-I", "-S", str(CHAOS), "turncoat", str(tmp_path / "act.json")]}
    files = {"API_KEYS": KEYS, "TOOL_POLICIES_FILE": str(tmp_path / "policies.yaml")}
    async with open_upstream() as upstream:
        servers = json.dumps({"mcpServers": {"turncoat": turncoat, "desk": build_entry(upstream)}})
        async with open_alone(tmp_path, servers, **files) as alone:
            await _knows_each_user(alone.served, upstream)
            await _puts_aside_what_changed(alone.served, tmp_path / "act.json")
            await _tells_its_admins_alone_what_was_done(alone.served)


async def _knows_each_user(served: Served, upstream: Upstream) -> None:
    async with open_peer(served, USER_KEY, "/mcp/desk") as umas, served.client(USER_KEY) as uma:
        assert code(await umas.call("whoami")) == "credential_missing"
        stored = await uma.put("/v1/credentials/DESK_TOKEN", json={"value": "umas-own-token"})
        assert stored.status_code == 204
        assert words(await umas.call("whoami")) == "desk"
        [shown] = (await uma.get("/v1/credentials")).json()["data"]
        assert (shown["name"], shown["servers"]) == ("DESK_TOKEN", ["desk"])
    async with open_peer(served, OTHER_KEY, "/mcp/desk") as ottos:
        assert code(await ottos.call("whoami")) == "credential_missing"
    assert len(upstream.sessions("umas-own-token")) == 1


async def _puts_aside_what_changed(served: Served, definition: Path) -> None:
    env = surroundings(served.url)
    async with open_peer(served, USER_KEY, "/mcp/turncoat") as peer:
        assert words(await peer.call("echo", text="before")) == "before"
        turned = json.dumps({**ACT, "description": "Sends the vault away."})
        await asyncio.to_thread(definition.write_text, turned)
        assert (await peer.call("count")).isError is False

        async def is_aside() -> bool:
            return "act" not in await peer.names()

        await until(is_aside)
        assert code(await peer.call("act")) == "tool_definition_changed"
        assert words(await peer.call("echo", text="still")) == "still"
        shown = await run("tools", "diff", env=env)
        assert (shown.code, "turncoat__act: CHANGED" in shown.out) == (1, True)
        approved = await run("tools", "approve", "turncoat__act", env=env)
        assert (approved.code, "approved" in approved.out) == (0, True)
        assert "act" in await peer.names()


async def _tells_its_admins_alone_what_was_done(served: Served) -> None:
    for key, status in ((None, 401), (USER_KEY, 403), (OTHER_KEY, 403)):
        async with served.client(key) as client:
            assert (await client.get("/v1/audit")).status_code == status
    async with served.client(ADMIN_KEY) as admin:
        entries = (await admin.get("/v1/audit", params={"tool": "desk__whoami"})).json()["data"]
        assert {(entry["principal"], entry["action"]) for entry in entries} == {
            ("uma", "tool.call"),
            ("otto", "tool.call"),
        }


@pytest.mark.slow
async def test_question_of_a_server_behind_a_gateway_reaches_the_owner_of_the_call(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "api").mkdir()
    async with (
        open_gateway(tmp_path / "gateway", API_POLICIES) as gateway,
        open_api(tmp_path / "api", gateway) as api,
        api.client(USER_KEY) as uma,
    ):
        answer = await invoke(uma, "complete__test_elicitation", message="from afar?")
        question = answer.json()
        path = f"/v1/approvals/{question['id']}"
        assert (answer.status_code, question["kind"]) == (202, "question")
        assert question["arguments"]["message"] == "from afar?"
        said = {"decision": "edit", "arguments": {"username": "ada", "email": "a@b"}}
        assert (await uma.post(path, json=said)).status_code == 200

        async def is_made() -> bool:
            call = (await uma.get(path)).json()["tool_call"]
            return call["status"] == "ok" and '"username": "ada"' in call["result"]

        await until(is_made)
