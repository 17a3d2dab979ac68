"""A26: whatever a call costs, everybody else is answered meanwhile: a tool that hangs, a pattern, a huge body."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from pathlib import Path

import httpx
import pytest

from mcp_config.entries.server_config import ServerConfig
from mcp_config.tools import JsonObject
from tests.http.serving import ADMIN_KEY, build_settings, open_served
from tests.mcp_config.rig import chaos, open_rig
from tests.support.scripted_model import ScriptedModel
from tests.support.turns import watch_turns
from tests.support.waiting import until

CHAOS = Path(__file__).parent.parent / "support" / "chaos_server.py"
LONGEST_TURN = 0.1
"""Seconds of the loop's own time; what is measured on an idle computer is a third of it."""
MANY_TURNS = 100
"""More than a call takes by itself: these came while somebody else was at work."""


async def answers_during(client: httpx.AsyncClient, work: Awaitable[httpx.Response]) -> tuple[httpx.Response, int]:
    """Returns the answer to `work`, and how often health was answered before that came."""
    task = asyncio.ensure_future(work)
    answers = 0
    while not task.done():
        answers += (await client.get("/healthz")).status_code == 200
    return await task, answers


@pytest.mark.slow
async def test_a26_nobody_waits_for_what_another_has_started(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("rules: [{match: '*', verdict: allow}]\ntools: {sick__act: {timeout: 2}}\n")
    sick = {"command": sys.executable, "args": ["-I", "-S", str(CHAOS), "hang"]}
    servers = json.dumps({"mcpServers": {"sick": sick}})
    settings = build_settings(
        tmp_path, scripted_model.base_url, mcp_servers=servers, tool_policies_file=policies, max_body_bytes=40_000_000
    )
    async with open_served(settings) as served, served.client(ADMIN_KEY) as client:
        act = client.post("/v1/tools/sick__act/invoke", json={"arguments": {}})
        hung, answers = await answers_during(client, act)
        assert (hung.status_code, hung.json()["status"]) == (200, "timeout")
        assert answers > 20
        huge = b'{"metadata": {"a": "' + b"x" * 30_000_000 + b'"}}'
        refused, answers = await answers_during(client, client.post("/v1/conversations", content=huge))
        assert 400 <= refused.status_code < 500
        assert answers > 3
        deep = b'{"title": ' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}"
        refused, answers = await answers_during(client, client.post("/v1/conversations", content=deep))
        assert 400 <= refused.status_code < 500
        assert answers > 3
        refused = await client.post("/mcp", content=b"[" + b"[]," * 100_000 + b"[]]")
        assert refused.json()["code"] == "json_too_many_values"


@pytest.mark.parametrize("arguments", [("big", "5000000"), ("many", "95000")])
async def test_a26_a_long_result_leaves_the_others_their_turns(arguments: tuple[str, str]) -> None:
    async with open_rig(chaos("sick", *arguments)) as rig:
        result, turns = await watch_turns(rig.call("sick__act"))
    assert result.status == "ok"
    assert turns.longest < LONGEST_TURN
    assert turns.count > MANY_TURNS


async def test_a26_a_pattern_that_backtracks_leaves_the_others_their_turns(tmp_path: Path) -> None:
    async with open_rig(odd(tmp_path, {"properties": {"text": {"pattern": "^(a+)+$"}}})) as rig:
        result, turns = await watch_turns(rig.call("odd__act", text="a" * 5_000 + "!"))
        assert (result.error_code, "takes too long" in result.content) == ("invalid_arguments", True)
        assert turns.longest < LONGEST_TURN
        assert turns.count > MANY_TURNS
        assert (await rig.call("odd__act", text="a")).status == "ok"


async def test_a26_a_schema_that_takes_long_to_prove_leaves_the_others_their_turns(tmp_path: Path) -> None:
    async with open_rig(odd(tmp_path, {})) as rig:
        odd(tmp_path, {"anyOf": [{"const": {"number": number}} for number in range(1_000)]})
        await rig.call("odd__count")  # it says that it has other tools now

        # proved, and then put aside: it has changed
        _, turns = await watch_turns(until(lambda: rig.registry.quarantine.find("odd__act")))
    assert turns.longest < LONGEST_TURN


def odd(folder: Path, schema: JsonObject) -> ServerConfig:
    """A server whose tool takes what the schema says."""
    definition = folder / "act.json"
    definition.write_text(json.dumps({"name": "act", "description": "d", "inputSchema": {"type": "object", **schema}}))
    return chaos("odd", "turncoat", str(definition))
