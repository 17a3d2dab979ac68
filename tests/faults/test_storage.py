"""F16 and F17: a database that is locked, and one that may grow no more."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import httpx
import pytest

from tests.faults.conftest import Standing
from tests.faults.lab import Lab, start, whole_log
from tests.support.scripted_model import Replies, ScriptedModel, prompted, says
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@asynccontextmanager
async def locked(lab: Lab) -> AsyncIterator[sqlite3.Connection]:
    """Holds the write lock of the server's database, as a back-up or a careless shell would."""
    path = lab.folder / "data" / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.mark.exhaustive
@pytest.mark.xdist_group("faults")
@pytest.mark.asyncio(loop_scope="session")
async def test_f16_a_locked_database_is_waited_for_then_unavailable_and_loses_no_run(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    gate = asyncio.Event()
    standing.model.when(says("F16"), Replies.text("before ", "after").held(gate, after=1))
    run_id = await start(client, "F16", "general")
    await standing.model.requested(says("F16"))
    async with locked(standing.lab) as other:
        began = time.monotonic()
        asyncio.get_running_loop().call_later(3, other.execute, "ROLLBACK")
        assert (await client.post("/v1/conversations")).status_code == 201
        assert time.monotonic() - began > 2
    async with locked(standing.lab):
        gate.set()
        began = time.monotonic()
        while time.monotonic() - began < 10:
            refused = await client.post("/v1/conversations")
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
            assert int(refused.headers["Retry-After"]) > 0
            assert (await client.get(f"/v1/runs/{run_id}")).json()["status"] == "running"
    assert (await client.post("/v1/conversations")).status_code == 201
    assert (await whole_log(client, run_id))[-1].type == "run.completed"


async def test_f17_a_full_disk_refuses_writes_serves_reads_and_heals(lab: Lab, scripted_model: ScriptedModel) -> None:
    path = lab.folder / "data" / "app.db"
    lab.settings["DATABASE_URL"] = f"sqlite:///{path}?max_page_count=1000"
    gate = asyncio.Event()
    scripted_model.when(prompted("running summary"), Replies.text("It was about F17."))
    scripted_model.when(says("F17"), Replies.text("before ", "x" * 500_000).held(gate, after=1))
    async with lab.serving() as running, running.client() as client:
        run_id = await start(client, "F17", "general")
        await scripted_model.requested(says("F17"))
        conversation = (await client.post("/v1/conversations")).json()["id"]
        refused = await fill(client, conversation)
        assert (refused.status_code, refused.json()["code"]) == (503, "disk_full")
        assert int(refused.headers["Retry-After"]) > 0
        gate.set()
        await until(lambda: "disk_full" in (lab.folder / "log").read_text())
        assert (await client.get(f"/v1/runs/{run_id}")).json()["status"] == "running"
        assert (await client.get(f"/v1/conversations/{conversation}/messages")).status_code == 200
        assert (await client.delete(f"/v1/conversations/{conversation}")).status_code == 204
        assert (await whole_log(client, run_id))[-1].type == "run.completed"
        assert (await client.post("/v1/conversations")).status_code == 201
        assert await running.stop() == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def fill(client: httpx.AsyncClient, conversation: str) -> httpx.Response:
    """Posts messages, then ever smaller ones, until not even a small one is taken; returns its refusal."""
    sizes = [500_000, 20_000, 1000]
    while True:
        message = {"content": "x" * sizes[0]}
        answer = await client.post(f"/v1/conversations/{conversation}/messages", json=message)
        if answer.status_code != 201 and not sizes[1:]:
            return answer
        sizes = sizes if answer.status_code == 201 else sizes[1:]
