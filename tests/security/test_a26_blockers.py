"""A26: whatever a call costs, everybody else is answered meanwhile: a tool that hangs, a pattern, a huge body."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

import httpx
import pytest

from tests.http.serving import ADMIN_KEY, build_settings, open_served
from tests.mcp_config.rig import chaos, open_rig
from tests.support.scripted_model import ScriptedModel

CHAOS = Path(__file__).parent.parent / "support" / "chaos_server.py"


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


async def test_a26_a_long_result_is_redacted_while_others_have_their_turns() -> None:
    async with open_rig(chaos("big", "big", "5000000")) as rig:
        call = asyncio.create_task(rig.call("big__act"))
        longest, began = 0.0, time.process_time()
        while not call.done():
            turn = time.process_time()
            await asyncio.wait({call}, timeout=0)  # one turn of the loop
            longest = max(longest, time.process_time() - turn)
        assert (await call).status == "ok"
    # of this process's own time, so that a busy computer changes nothing; it takes about 0.4 and 0.03
    assert time.process_time() - began < 2
    assert longest < 0.2
