"""`open-agent serve` as a process: how it starts, how it refuses to, and how it ends."""

import asyncio
import json
import socket
from pathlib import Path

import psutil
import pytest

from tests.http.serving import ended, follow, parse_stream, start_run
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.server_process import build_environment, refused, serving


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_what_was_accepted_is_there_after_a_restart(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    scripted_model.when(says("remember me"), Replies.text("I ", "will."))
    environment = build_environment(tmp_path, OPENAI_BASE_URL=scripted_model.base_url)
    async with serving(environment) as first, first.client() as client:
        run = await ended(client, (await start_run(client, "remember me"))["id"])
        before = await follow(client, run["id"], Last_Event_ID="2")
        assert await first.stop() == 0
    async with serving(environment) as second, second.client() as client:
        assert (await client.get("/readyz")).status_code == 200
        assert second.key == first.key
        assert (await client.get(f"/v1/runs/{run['id']}")).json() == run
        assert await follow(client, run["id"], Last_Event_ID="2") == before
        assert await second.stop() == 0


@pytest.mark.exhaustive
async def test_it_is_ready_in_little_time_whatever_its_tool_servers_do(tmp_path: Path) -> None:
    hanging = '{"mcpServers": {"hanging": {"command": "sleep", "args": ["600"]}}}'
    async with serving(build_environment(tmp_path, MCP_SERVERS=hanging)) as server, server.client() as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["mcp_servers"]) == (200, {"hanging": "starting"})
        # Nothing is waited for, so these are the seconds a start takes on a machine that is not busy with other things.
        spent = psutil.Process(server.process.pid).cpu_times()
        assert spent.user + spent.system < 10


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_sigterm_ends_streams_with_a_hint_and_the_run_goes_on_after_the_start(
    scripted_model: ScriptedModel, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("outlive us"), Replies.text("half", "way").held(gate, after=1), Replies.text("Done."))
    environment = build_environment(tmp_path, OPENAI_BASE_URL=scripted_model.base_url)
    async with serving(environment) as first, first.client() as client:
        run = await start_run(client, "outlive us")
        reading = asyncio.create_task(client.get(f"/v1/runs/{run['id']}/events"))
        await scripted_model.requested(says("outlive us"))
        assert await first.stop() == 0
        stream = (await reading).text
        assert stream.endswith("retry: 1000\n\n")
        assert "run.completed" not in stream
    last = parse_stream(stream)[-1].id
    async with serving(environment) as second, second.client() as client:
        rest = await follow(client, run["id"], Last_Event_ID=last)
        assert int(rest[0].id) == int(last) + 1
        assert [each.event for each in rest][-1] == "run.completed"
        assert "run.resumed" in [each.event for each in rest]
        gate.set()


@pytest.mark.slow
async def test_no_secret_reaches_a_log_line(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    scripted_model.when(says("my question"), Replies.text("my answer"))
    environment = build_environment(
        tmp_path,
        OPENAI_BASE_URL=scripted_model.base_url,
        OPENAI_API_KEY="sk-canary-of-the-provider",
        SHOP_TOKEN="canary-of-a-tool-server",
        LOG_LEVEL="debug",
        LOG_FORMAT="json",
    )
    async with serving(environment) as server, server.client() as client:
        run = await ended(client, (await start_run(client, "my question"))["id"])
        await client.get("/v1/agents", params={"after": "canary-of-a-query"})
        await client.get("/v1/agents", headers={"Authorization": "Bearer canary-of-a-guess"})
        assert await server.stop() == 0
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert run["id"] in server.log
    assert {line["path"] for line in lines if line["event"] == "request"} >= {"/v1/agents", "/v1/conversations"}
    assert server.key not in server.log
    assert "canary" not in server.log
    assert "my answer" not in server.log


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_one_data_folder_is_one_servers(tmp_path: Path) -> None:
    environment = build_environment(tmp_path)
    async with serving(environment):
        code, said = await refused(environment)
    assert (code, len(said.splitlines())) == (1, 1)
    assert str(tmp_path) in said


@pytest.mark.slow
async def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = await refused(build_environment(tmp_path), "--port", str(port))
    assert code == 1
    assert said == f"Port {port} is taken. Stop what listens there, or choose another: make run PORT={port + 1}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("HOST", "no.such.host.invalid", "HOST=no.such.host.invalid is not an address of this machine"),
        ("DATA_DIR", "/dev/null/data", "/dev/null"),
    ],
)
async def test_what_cannot_be_used_is_told_in_one_line(tmp_path: Path, setting: str, value: str, expected: str) -> None:
    code, said = await refused(build_environment(tmp_path, **{setting: value}))
    assert (code, len(said.splitlines())) == (1, 1), said
    assert expected in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("PORT", "a lot", "PORT"),
        ("MCP_SERVERS", '{"mcpServers": {"x": {"command": 7}}}', "mcpServers.x"),
        ("AGENTS_FILE", "/no/such/agents.yaml", "/no/such/agents.yaml"),
        ("MODEL_PROVIDER", "oracle", "MODEL_PROVIDER"),
    ],
)
async def test_a_wrong_configuration_is_told_before_anything_starts(
    tmp_path: Path, setting: str, value: str, expected: str
) -> None:
    code, said = await refused(build_environment(tmp_path / "data", **{setting: value}))
    assert code == 2
    assert expected in said
    assert "Traceback" not in said
    assert not (tmp_path / "data" / "app.db").exists()
