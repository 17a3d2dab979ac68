"""A clerk whose one tool asks back: starts runs and chats with it, and reads and answers what is asked."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from config.settings import Settings
from tests.http.serving import ADMIN_KEY, USER_KEY, Json, Served, build_settings, ended, follow, open_served, start_run
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import until

COMPLETE = Path(__file__).parent.parent / "support" / "complete_server.py"
ASK = "complete__test_elicitation"
SECRET = "canary-77aa01c3d9e4"
FILLED = {"username": "ada", "email": "ada@example.com"}
SCHEMA = {
    "type": "object",
    "properties": {"username": {"type": "string"}, "email": {"type": "string"}},
    "required": ["username", "email"],
}


def build_desk(folder: Path, model_url: str, **more: object) -> Settings:
    """Returns the settings of a product whose one server asks."""
    entry = {"command": sys.executable, "args": ["-I", "-S", str(COMPLETE)], "env": {"DESK_TOKEN": SECRET}}
    (folder / "policies.yaml").write_text("rules: [{match: '*', verdict: allow}]\n")
    servers = json.dumps({"mcpServers": {"complete": entry}})
    policies = folder / "policies.yaml"
    return build_settings(folder, model_url, mcp_servers=servers, tool_policies_file=policies, **more)


async def hire(admin: httpx.AsyncClient) -> None:
    clerk = {"id": "clerk", "name": "C", "description": "d", "system_prompt": "p", "allowed_tools": ["complete__*"]}
    (await admin.post("/v1/agents", json=clerk)).raise_for_status()


def script(model: ScriptedModel, message: str, tool: str = ASK, arguments: Json | None = None) -> None:
    """Has the clerk, told this, call a tool that asks something: this, by default."""
    model.when(lambda request: has_result()(request) and says(message)(request), Replies.text("There you are."))
    model.when(says(message), Replies.tool(tool, {"message": message} if arguments is None else arguments))


async def ask(client: httpx.AsyncClient, model: ScriptedModel, message: str) -> Json:
    """Starts a run whose tool asks this."""
    script(model, message)
    return await start_run(client, message, "clerk")


async def chat(client: httpx.AsyncClient, history: list[Json]) -> str:
    answer = await client.post("/v1/chat/completions", json={"model": "clerk", "messages": history})
    content: str = answer.raise_for_status().json()["choices"][0]["message"]["content"]
    return content


async def asked(client: httpx.AsyncClient, **query: str) -> Json:
    """Returns the one question that is open."""

    async def found() -> list[Json]:
        query_all = {"status": "pending", **query}
        page = (await client.get("/v1/approvals", params=query_all)).raise_for_status().json()
        questions: list[Json] = page["data"]
        return questions

    async def is_there() -> bool:
        return bool(await found())

    await until(is_there)
    [question] = await found()
    return question


async def resolve(client: httpx.AsyncClient, question: Json, **said: object) -> httpx.Response:
    return await client.post(f"/v1/approvals/{question['id']}", json=said)


async def result_of(client: httpx.AsyncClient, run: Json) -> str:
    """Returns the result of the run's one tool call, once the run has completed."""
    assert (await ended(client, run["id"]))["status"] == "completed"
    events = [json.loads(event.data) for event in await follow(client, run["id"])]
    [result] = [str(event["content"]) for event in events if event["type"] == "tool.call.result"]
    return result


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("desk")
    async with open_served(build_desk(folder, model.base_url)) as served:
        async with served.client(ADMIN_KEY) as admin:
            await hire(admin)
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def uma(desk: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(USER_KEY) as client:
        yield client
