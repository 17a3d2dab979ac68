"""Big results end to end: a model is shown their ends and reads on by a tool; their owner downloads them whole."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.http.serving import ADMIN_KEY, OTHER_KEY, Json, build_settings, follow, open_served, start_run
from tests.mcp_config.rig import CHAOS
from tests.support.scripted_model import Replies, Reply, ScriptedModel, ScriptedRequest, has_result, says

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZE = 5 * 1024 * 1024
SERVERS = {"mcpServers": {"big": {"command": "${PYTHON}", "args": [str(CHAOS), "big", str(SIZE)]}}}
POLICIES = 'rules: [{match: "*", verdict: allow}]'
READER: Json = {
    "id": "reader",
    "name": "Reader",
    "description": "Reads.",
    "system_prompt": "You read.",
    "allowed_tools": ["big__act", "artifact__read"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clients(
    model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    folder: Path = tmp_path_factory.mktemp("artifacts")
    (folder / "policies.yaml").write_text(POLICIES)
    more = {"mcp_servers": json.dumps(SERVERS), "tool_policies_file": folder / "policies.yaml"}
    async with (
        open_served(build_settings(folder, model.base_url, **more)) as served,
        served.client(ADMIN_KEY) as ann,
        served.client(OTHER_KEY) as otto,
    ):
        (await ann.post("/v1/agents", json=READER)).raise_for_status()
        yield ann, otto


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_big_result_is_previewed_read_on_and_downloaded_byte_for_byte(
    model: ScriptedModel, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    ann, otto = clients
    asked: list[ScriptedRequest] = []

    def read_on(request: ScriptedRequest) -> Reply:
        asked.append(request)
        result = json.dumps(request.body["messages"][-1])
        artifact_id = "art_" + result.partition("artifact art_")[2][:36]
        return Replies.tool("artifact__read", {"artifact_id": artifact_id, "offset": SIZE, "lines": 1})

    model.when(has_result(f"characters {SIZE} to {SIZE + 2}"), Replies.text("It ends with Z."))
    model.when(has_result("kept whole as artifact"), read_on)
    model.when(says("how does it end"), Replies.tool("big__act"))
    run = await start_run(ann, "how does it end?", "reader")
    events = [json.loads(event.data) for event in await follow(ann, run["id"])]
    big, read = [event for event in events if event["type"] == "tool.call.result"]
    assert events[-1]["type"] == "run.completed"
    assert (big["tool"], read["tool"], read["artifact_id"]) == ("big__act", "artifact__read", None)
    assert len(json.dumps(asked[0].body)) < 60_000
    assert "artifact__read" in asked[0].tools

    kept = (await ann.get(f"/v1/artifacts/{big['artifact_id']}")).raise_for_status().json()
    assert kept == {
        "id": big["artifact_id"],
        "run_id": run["id"],
        "call_id": big["call_id"],
        "name": "big__act.txt",
        "media_type": "text/plain; charset=utf-8",
        "size": SIZE + 2,
        "created_at": kept["created_at"],
    }
    assert (await ann.get(f"/v1/runs/{run['id']}/artifacts")).json()["data"] == [kept]
    whole = await ann.get(f"/v1/artifacts/{kept['id']}/content")
    assert whole.content == b"A" + b"b" * SIZE + b"Z"
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["content-disposition"] == "attachment; filename*=UTF-8''big__act.txt"
    assert whole.headers["x-content-type-options"] == "nosniff"
    for path in (
        f"/v1/artifacts/{kept['id']}",
        f"/v1/artifacts/{kept['id']}/content",
        f"/v1/runs/{run['id']}/artifacts",
    ):
        assert (await otto.get(path)).status_code == 404


@pytest.mark.exhaustive
async def test_tool_that_reads_artifacts_is_not_offered_without_any(
    model: ScriptedModel, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    seen: list[list[str]] = []

    def answer(request: ScriptedRequest) -> Reply:
        seen.append(list(request.tools))
        return Replies.text("Hi.")

    model.when(says("nothing big yet"), answer)
    run = await start_run(clients[0], "nothing big yet", "reader")
    await follow(clients[0], run["id"])
    assert seen == [["big__act"]]


async def test_download_of_nothing_is_not_found(user: httpx.AsyncClient) -> None:
    for path in ("/v1/artifacts/art_x", "/v1/artifacts/art_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11/content"):
        answer = await user.get(path)
        assert answer.status_code == 404
