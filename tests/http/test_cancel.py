"""Cancel, down to the last process that works for the run: a real tool server, and the program that it has started."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from tests.http.serving import USER_KEY, build_settings, ended, follow, open_served, start_run
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a `docker` that says who it is and never ends."""
    folder = tmp_path_factory.mktemp("programs")
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\necho $$ >> {folder}/pids\nexec /bin/sleep 600\n")
    docker.chmod(0o755)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(model: ScriptedModel, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    server = {"command": "${PYTHON}", "args": ["-m", "mcp_config.servers.devops"], "cwd": "${PROJECT_DIR}"}
    servers = {"mcpServers": {"devops": {**server, "env": {"PATH": str(folder)}}}}
    settings = build_settings(folder / "data", model.base_url, mcp_servers=json.dumps(servers))
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        yield client


def started(folder: Path) -> list[int]:
    pids = folder / "pids"
    return [int(line) for line in pids.read_text().split()] if pids.exists() else []


@pytest.mark.exhaustive
async def test_cancel_ends_what_a_tool_server_has_started(
    model: ScriptedModel, client: httpx.AsyncClient, folder: Path
) -> None:
    model.when(says("which containers?"), Replies.tool("devops__docker_ps", {}))
    model.when(says("never mind"), Replies.text("All right."))
    run = await start_run(client, "which containers?", agent_id="devops-agent")
    await until(lambda: bool(started(folder)))
    (program,) = started(folder)

    asked = await client.post(f"/v1/runs/{run['id']}/cancel", params={"wait": 5})
    assert (asked.status_code, asked.json()["status"]) == (200, "cancelled")
    assert asked.elapsed.total_seconds() < 2
    await until(lambda: not psutil.pid_exists(program))

    again = await client.post(f"/v1/runs/{run['id']}/cancel")
    assert (again.status_code, again.json()) == (200, asked.json())
    sent = await follow(client, run["id"])
    closed = [json.loads(each.data) for each in sent if each.event == "tool.call.result"]
    assert [(each["status"], each["error"]["code"]) for each in closed] == [("cancelled", "cancelled")]
    assert sent[-1].event == "run.cancelled"

    path = f"/v1/conversations/{run['conversation_id']}"
    await client.post(f"{path}/messages", json={"content": "never mind"})
    following = (await client.post(f"{path}/runs", json={"agent_id": "general"})).json()
    assert (await ended(client, following["id"]))["status"] == "completed"
    health = (await client.get("/readyz")).json()["mcp_servers"]
    assert health == {"devops": "ready"}, "the server itself was not started again"
