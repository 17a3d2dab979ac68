"""A19, whole: secrets planted in each place there is are found in none, whether all goes well or nothing does.

The product runs as a process, so that its logs are what an operator collects. What the owner wrote in their own message
stays as it was written. What waits for a person is kept to the letter, and sealed.
"""

import base64
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.http.serving import Json, ended, follow, start_run
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.server_process import Running, build_environment, serving
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

LEAKY = Path(__file__).parent.parent / "support" / "leaky_server.py"
PLANTED = {
    "environment": "planted-Env/4c81d07a92",
    "provider": "planted-Provider/77b1e0c3d5",
    "server": "planted-Server/9f3b7c21d8",
    "header": "planted-Header/1d5e8a40b6",
}
WAITING = "planted-Waiting/5a90c2e7f4"
"""In what calls by hand and of runs are to be made with: it has to be kept until somebody decides."""
EVERYTHING = " and ".join([*PLANTED.values(), *(value.encode().hex() for value in PLANTED.values())])


def forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    encoded = base64.b64encode(raw)
    return [raw, encoded[: len(encoded) // 4 * 4 - 4], raw.hex().encode(), raw.hex().upper().encode()]


def found_in(seen: bytes, secrets: Iterable[str]) -> list[str]:
    return [secret for secret in secrets if any(form in seen for form in forms(secret))]


@dataclass
class Visit:
    """One product that is served, and all that was seen of it."""

    running: Running
    client: httpx.AsyncClient
    seen: dict[str, bytes] = field(default_factory=dict)

    async def look(self, *paths: str) -> None:
        for path in paths:
            self.seen[path] = (await self.client.get(path)).content

    async def post(self, path: str, body: Json) -> Json:
        answer = await self.client.post(path, json=body)
        self.seen[f"POST {path} {len(self.seen)}"] = answer.content
        read: Json = answer.json() if "json" in answer.headers["Content-Type"] else {}
        return read

    async def run(self, words: str) -> Json:
        run = await start_run(self.client, words, "leaky")
        events = await follow(self.client, run["id"])
        self.seen[f"events of {words}"] = "\n".join(event.data for event in events).encode()
        await self.look(f"/v1/runs/{run['id']}", f"/v1/runs/{run['id']}/steps")
        return await ended(self.client, run["id"])

    async def chat(self, words: str) -> None:
        for stream in (True, False):
            body = {"model": "leaky", "stream": stream, "messages": [{"role": "user", "content": words}]}
            await self.post("/v1/chat/completions", body)

    async def look_around(self) -> None:
        lists = ("conversations", "approvals", "audit", "tools", "tools/changes", "info", "policies", "agents")
        await self.look("/metrics", "/readyz", "/healthz", *(f"/v1/{name}" for name in lists))


@asynccontextmanager
async def visiting(folder: Path, model: ScriptedModel, servers: Json, **more: str) -> AsyncIterator[Visit]:
    policies = folder / "policies.yaml"
    policies.write_text("rules: [{match: '*', verdict: allow}, {match: 'leaky__careful', verdict: ask}]\n")
    environment = build_environment(
        folder / "data",
        OPENAI_BASE_URL=model.base_url,
        OPENAI_API_KEY=PLANTED["provider"],
        DEFAULT_MODEL="scripted",
        HOUSE_TOKEN=PLANTED["environment"],
        OTHER_TOKEN=WAITING,
        TOOL_POLICIES_FILE=str(policies),
        MCP_SERVERS=json.dumps({"mcpServers": servers}),
        **more,
    )
    log = folder / "log" if more["LOG_FORMAT"] == "console" else None
    async with serving(environment, log) as running, running.client() as client:
        visit = Visit(running, client)
        agent = {"id": "leaky", "name": "A", "description": "d", "system_prompt": "p", "allowed_tools": ["*"]}
        await visit.post("/v1/agents", agent)
        yield visit
        while_serving = find_files(folder / "data")
        await running.stop()
    visit.seen["log"] = log.read_bytes() if log else running.log.encode()
    assert b"run" in visit.seen["log"]
    shown = {place: found_in(seen, [*PLANTED.values(), WAITING]) for place, seen in visit.seen.items()}
    assert {place: found for place, found in shown.items() if found} == {}
    assert (while_serving, find_files(folder / "data")) == ({}, {})


def find_files(data: Path) -> dict[str, list[str]]:
    """Looks into every file, write-ahead logs included, as bytes."""
    # a pin holds to the letter what a server says of its own tools
    files = [file for file in data.rglob("*") if file.is_file() and file.name != "tools.lock"]
    assert any(file.name == "app.db" for file in files)
    secrets = [*PLANTED.values(), WAITING]
    return {str(file): found for file in files if (found := found_in(file.read_bytes(), secrets))}


def leaky(*arguments: str) -> Json:
    command = ["-I", "-S", str(LEAKY), *arguments]
    return {"command": sys.executable, "args": command, "env": {"LEAKY_PASSWORD": PLANTED["server"]}}


async def test_when_all_goes_well(model: ScriptedModel, tmp_path: Path, header_server: str) -> None:
    remote = {"url": header_server, "headers": {"X-Canary": PLANTED["header"]}}
    async with visiting(
        tmp_path, model, {"leaky": leaky(), "remote": remote}, LOG_FORMAT="console", LOG_LEVEL="debug"
    ) as visit:
        calls = [("leaky__show", {"text": EVERYTHING}), ("leaky__large", {}), ("remote__header", {})]
        model.when(lambda r: says("goes well")(r) and not r.tool_results, Replies.tools(*calls))
        pieces = [EVERYTHING[start : start + 7] for start in range(0, len(EVERYTHING), 7)]
        model.when(lambda r: says("goes well")(r) and bool(r.tool_results), Replies.text(*pieces))
        run = await visit.run("goes well")
        assert run["status"] == "completed"
        steps = json.loads(visit.seen[f"/v1/runs/{run['id']}/steps"])
        made = [call for step in steps["data"] for call in step["tool_calls"]]
        assert [call["status"] for call in made] == ["ok"] * 3
        assert "[hidden]" in made[2]["result"], "the server was sent its header"
        artifact = next(call["artifact_id"] for call in made if call["artifact_id"])
        await visit.look(f"/v1/artifacts/{artifact}", f"/v1/artifacts/{artifact}/content")
        assert b"[hidden]" in visit.seen[f"/v1/artifacts/{artifact}/content"]
        model.when(says("also well"), Replies.text(*pieces), Replies.text(*pieces))
        await visit.chat("also well")
        await visit.post("/v1/tools/leaky__show/invoke", {"arguments": {"text": EVERYTHING}})
        asked = await visit.post("/v1/tools/leaky__careful/invoke", {"arguments": {"text": WAITING}})
        assert asked["arguments"] == {"text": "[hidden]"}
        suspended = await _suspend(visit, model)
        assert find_files(tmp_path / "data") == {}
        await visit.look_around()
        edit = {"decision": "edit", "arguments": {"text": f"rather {WAITING}"}}
        await visit.post(f"/v1/approvals/{suspended['id']}", edit)
        assert (await ended(visit.client, suspended["run_id"]))["status"] == "completed"
        assert find_files(tmp_path / "data") == {}
        await visit.post(f"/v1/approvals/{asked['id']}", {"decision": "approve"})

        async def made_by_hand() -> bool:
            await visit.look(f"/v1/approvals/{asked['id']}")
            return json.loads(visit.seen[f"/v1/approvals/{asked['id']}"])["tool_call"] is not None

        await until(made_by_hand)
        await visit.look_around()


async def _suspend(visit: Visit, model: ScriptedModel) -> Json:
    """Has a run wait for a person, with a secret in what it waits to do; returns the question."""
    model.when(lambda r: says("goes carefully")(r) and bool(r.tool_results), Replies.text("done"))
    model.when(says("goes carefully"), Replies.tool("leaky__careful", {"text": WAITING}))
    run = await start_run(visit.client, "goes carefully", "leaky")

    async def waits() -> bool:
        status: str = (await visit.client.get(f"/v1/runs/{run['id']}")).json()["status"]
        return status == "requires_action"

    await until(waits)
    [question] = (await visit.client.get("/v1/approvals", params={"run_id": run["id"]})).json()["data"]
    assert question["arguments"] == {"text": "[hidden]"}
    return dict(question)


async def test_when_nothing_goes_well(model: ScriptedModel, tmp_path: Path) -> None:
    absent = {"url": "http://127.0.0.1:9/mcp", "headers": {"X-Canary": PLANTED["header"]}}
    servers = {"leaky": leaky(), "unstarted": leaky("start"), "absent": absent}
    async with visiting(tmp_path, model, servers, LOG_FORMAT="json") as visit:
        calls = [(f"leaky__{name}", {"text": EVERYTHING}) for name in ("refuse", "fail", "crash")]
        model.when(lambda r: says("goes wrong")(r) and not r.tool_results, Replies.tools(*calls))
        complaint = Replies.error(401, f"Incorrect API key provided: {EVERYTHING}")
        model.when(lambda r: says("goes wrong")(r) and bool(r.tool_results), complaint)
        assert (await visit.run("goes wrong"))["status"] == "failed"
        model.when(says("also wrong"), complaint, complaint)
        await visit.chat("also wrong")
        for name in ("refuse", "crash"):
            await visit.post(f"/v1/tools/leaky__{name}/invoke", {"arguments": {"text": EVERYTHING}})
        await visit.post("/v1/tools/leaky__show/check", {"arguments": [EVERYTHING]})
        asked = await visit.post("/v1/tools/leaky__careful/invoke", {"arguments": {"text": WAITING}})
        await visit.post(f"/v1/approvals/{asked['id']}", {"decision": "reject", "reason": f"not with {WAITING}"})
        await visit.look_around()
        unstarted = json.loads(visit.seen["/v1/info"])["mcp_servers"]["unstarted"]
        assert unstarted["detail"].startswith("exited with code 1: cannot log in with [")
