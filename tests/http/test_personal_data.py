"""`redact` of a tool and of an agent, through the served product: what is streamed, stored and read."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.http.serving import ADMIN_KEY, Json, build_settings, follow, open_served, start_run
from tests.support.scripted_model import Replies, ScriptedModel, open_scripted_model, says

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

CHAOS = Path(__file__).parent.parent / "support" / "chaos_server.py"
TOLD = "bob@example.com, +49 30 1234567, 4111 1111 1111 1111, DE89370400440532013000, 10.0.0.12."
SHOWN = "[email], [phone], [card], [iban], [ip]."
KINDS = ["email", "phone", "card", "iban", "ip"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scripted() -> AsyncIterator[ScriptedModel]:
    async with open_scripted_model() as model:
        yield model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(scripted: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("personal")
    policies = folder / "policies.yaml"
    policies.write_text(
        json.dumps({"rules": [{"match": "*", "verdict": "allow"}], "tools": {"crm__*": {"redact": KINDS}}})
    )
    server = {"command": sys.executable, "args": ["-I", "-S", str(CHAOS), "healthy"]}
    servers = json.dumps({"mcpServers": {"crm": server, "open": server}})
    settings = build_settings(folder, scripted.base_url, mcp_servers=servers, tool_policies_file=policies)
    async with open_served(settings) as served, served.client(ADMIN_KEY) as client:
        for agent_id, kinds in (("frank", []), ("discreet", KINDS)):
            spec = {"id": agent_id, "name": "A", "description": "d", "system_prompt": "p", "allowed_tools": ["*"]}
            (await client.post("/v1/agents", json={**spec, "policies": {"redact": kinds}})).raise_for_status()
        yield client


async def ask(admin: httpx.AsyncClient, model: ScriptedModel, agent: str, tool: str) -> tuple[str, str, Json]:
    """Has the agent call the tool and repeat what it read; returns what was streamed, stored, and the call."""
    words = f"{agent} asks {tool}"
    model.when(lambda r: says(words)(r) and not r.tool_results, Replies.tool(f"{tool}__echo", {"text": TOLD}))
    pieces = [TOLD[start : start + 5] for start in range(0, len(TOLD), 5)]
    model.when(lambda r: says(words)(r) and bool(r.tool_results), Replies.text(*pieces))
    run = await start_run(admin, words, agent)
    events = [json.loads(event.data) for event in await follow(admin, run["id"])]
    assert events[-1]["type"] == "run.completed"
    streamed = "".join(event["delta"] for event in events if event["type"] == "model.delta")
    messages = (await admin.get(f"/v1/conversations/{run['conversation_id']}/messages")).json()["data"]
    stored = next(message["content"] for message in messages if message["role"] == "assistant")
    result = next(event for event in events if event["type"] == "tool.call.result")
    steps = (await admin.get(f"/v1/runs/{run['id']}/steps")).json()["data"]
    call: Json = steps[0]["tool_calls"][0]
    read = next(request for request in reversed(model.requests) if says(words)(request)).tool_results
    assert call["result"] == result["content"] and str(call["result"]) in str(read)
    return streamed, json.dumps(stored), call


async def test_a_tools_policy_hides_what_its_results_hold(admin: httpx.AsyncClient, scripted: ScriptedModel) -> None:
    streamed, stored, call = await ask(admin, scripted, "frank", "crm")
    assert call["result"] == SHOWN
    assert streamed == TOLD, "what a model says by itself is its agent's to hide"
    assert TOLD in stored


async def test_an_agents_policy_hides_it_in_results_and_in_answers(
    admin: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    streamed, stored, call = await ask(admin, scripted, "discreet", "open")
    assert (call["result"], streamed) == (SHOWN, SHOWN)
    assert SHOWN in stored and "bob@" not in stored


async def test_without_a_policy_nothing_personal_is_hidden(admin: httpx.AsyncClient, scripted: ScriptedModel) -> None:
    streamed, _, call = await ask(admin, scripted, "frank", "open")
    assert (call["result"], streamed) == (TOLD, TOLD)
