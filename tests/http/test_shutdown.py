"""SIGTERM at a busy server: seen at once, nothing lost, and over within the grace."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.http.serving import ended, start_run
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.server_process import build_environment, serving
from tests.support.waiting import until

pytestmark = pytest.mark.slow
GRACE = 6


@pytest.mark.exhaustive
async def test_a_busy_server_goes_within_its_grace_and_loses_nothing(
    scripted_model: ScriptedModel, tmp_path: Path
) -> None:
    scripted_model.when(says("stay"), Replies.text("half", "way").stalled(after=1))
    scripted_model.always(says("stay"), Replies.text("Done."))
    scripted_model.always(says("late"), Replies.text("Done."))
    environment = build_environment(
        tmp_path,
        OPENAI_BASE_URL=scripted_model.base_url,
        SHUTDOWN_GRACE_SECONDS=str(GRACE),
        MCP_SERVERS='{"mcpServers": {}}',
    )
    clock = asyncio.get_running_loop().time
    async with serving(environment) as server, server.client() as client:
        run, late = await start_run(client, "stay"), await _converse(client, "late")
        readings = [asyncio.create_task(client.get(f"/v1/runs/{run['id']}/events")) for _ in range(5)]
        await scripted_model.requested(says("stay"))
        began = clock()
        server.process.send_signal(signal.SIGTERM)

        async def draining() -> bool:
            answer = await client.get("/readyz")
            return (answer.status_code, answer.json()["status"]) == (503, "draining")

        await until(draining)
        accepted = await client.post(f"/v1/conversations/{late}/runs", json={"agent_id": "general"})
        assert (accepted.status_code, accepted.json()["status"]) == (201, "queued")
        asked = {"model": "general", "messages": [{"role": "user", "content": "late"}]}
        refused = await client.post("/v1/chat/completions", json=asked)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_stopping")
        assert refused.headers["Retry-After"]
        assert all(reading.text.endswith("retry: 1000\n\n") for reading in await asyncio.gather(*readings))
        server.process.send_signal(signal.SIGTERM)
        assert await server.process.wait() == 0
        assert clock() - began < 5 * GRACE  # wide: the machine may be busy
    async with serving(environment) as server, server.client() as client:
        for each in (run["id"], accepted.json()["id"]):
            assert (await ended(client, each))["status"] == "completed"


async def _converse(client: httpx.AsyncClient, content: str) -> str:
    conversation: str = (await client.post("/v1/conversations")).json()["id"]
    await client.post(f"/v1/conversations/{conversation}/messages", json={"content": content})
    return conversation
