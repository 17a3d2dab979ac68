"""F05 and F24: the server stops in an orderly way, and so does a run that is cancelled."""

import asyncio
import time

import httpx
import psutil
import pytest

from tests.faults.conftest import Standing
from tests.faults.lab import Lab, get_run, start, whole_log
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_GRACE = 10


async def test_f05_sigterm_ends_streams_with_a_hint_and_hands_the_runs_over(
    lab: Lab, scripted_model: ScriptedModel
) -> None:
    lab.settings["SHUTDOWN_GRACE_SECONDS"] = str(_GRACE)
    words = [f"F05 {number}." for number in range(5)]
    for each in words:
        scripted_model.when(says(each), Replies.text("half", "way").stalled(after=1), Replies.text("Done."))
    async with lab.serving() as running, running.client() as client:
        runs = [await start(client, each, "general") for each in words]
        reading = [asyncio.create_task(client.get(f"/v1/runs/{run_id}/events")) for run_id in runs]
        for each in words:
            await scripted_model.requested(says(each))
        await until(lambda: are_read(client, len(runs)))
        began = time.monotonic()
        running.process.terminate()
        await until(lambda: draining(client))
        assert await running.ended() == 0
        assert time.monotonic() - began < _GRACE
        for stream in await asyncio.gather(*reading):
            assert stream.text.endswith("retry: 1000\n\n")
            assert "run.completed" not in stream.text
    async with lab.serving() as running, running.client() as client:
        for run_id in runs:
            log = await whole_log(client, run_id)
            assert log[-1].type == "run.completed"
        assert await running.stop() == 0


async def are_read(client: httpx.AsyncClient, count: int) -> bool:
    """Returns whether so many streams are open."""
    return f"open_agent_readers {count}.0" in (await client.get("/metrics")).text


async def draining(client: httpx.AsyncClient) -> bool:
    answer = await client.get("/readyz")
    return (answer.status_code, answer.json()["status"]) == (503, "draining")


@pytest.mark.xdist_group("faults")
@pytest.mark.asyncio(loop_scope="session")
async def test_f24_cancel_reaches_the_tools_own_child_and_a_second_one_says_the_same(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    standing.model.when(says("F24"), Replies.tool("lab__hold", {"key": "F24"}))
    standing.model.when(says("afterwards"), Replies.text("Still here."))
    run_id = await start(client, "F24")
    trace = standing.lab.folder / "hold-F24"
    await until(lambda: trace.exists() and trace.read_text())
    child = psutil.Process(int(trace.read_text()))
    answers = await asyncio.gather(*(client.post(f"/v1/runs/{run_id}/cancel") for _ in range(2)))
    assert {answer.status_code for answer in answers} <= {200, 202}

    async def cancelled() -> bool:
        return bool((await get_run(client, run_id))["status"] == "cancelled")

    await until(cancelled)
    await until(lambda: not child.is_running())
    again = await client.post(f"/v1/runs/{run_id}/cancel")
    assert (again.status_code, again.json()) == (200, await get_run(client, run_id))
    conversation = again.json()["conversation_id"]
    await client.post(f"/v1/conversations/{conversation}/messages", json={"content": "afterwards"})
    made = await client.post(f"/v1/conversations/{conversation}/runs", json={"agent_id": "general"})
    assert (await whole_log(client, made.json()["id"]))[-1].type == "run.completed"
