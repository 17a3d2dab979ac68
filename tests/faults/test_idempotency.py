"""A POST under a key, whose server is killed at some point of it, and the retry that gets what was made: one run."""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from uuid import uuid4

import httpx
import pytest

from server.idempotency import HEADER
from tests.faults.conftest import Extent
from tests.faults.lab import Lab, whole_log
from tests.http.serving import converse
from tests.support.scripted_model import Replies, says
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BODY = {"agent_id": "general"}
Moment = Callable[[], Awaitable[object]]
"""Returns when the server is to be killed."""


def _noted(lab: Lab, key: str) -> bool:
    with closing(sqlite3.connect(lab.folder / "data" / "app.db")) as connection:
        found = connection.execute("SELECT 1 FROM idempotency_keys WHERE key = ?", (key,)).fetchall()
    return bool(found)


def _moments(lab: Lab, key: str, posting: asyncio.Task[httpx.Response], extent: Extent) -> list[Moment]:
    chance = random.Random(f"{extent.seed}{key}")

    async def answered() -> None:
        await posting

    async def committed() -> None:
        await until(lambda: _noted(lab, key))

    async def on_its_way() -> None:
        await asyncio.wait({posting}, timeout=chance.uniform(0, 0.03))  # somewhere between sending and being answered

    return [committed, on_its_way, answered, on_its_way]


@pytest.mark.exhaustive
async def test_retry_after_kill_9_gets_the_one_run(lab: Lab, extent: Extent) -> None:
    lab.model.always(says("just once"), Replies.text("Once."))
    asked: tuple[str, dict[str, str], object] | None = None
    for number in range(min(extent.points, 4) + 1):
        async with lab.serving() as server, server.client() as client:
            if asked:
                await _retry(client, *asked)
            if number == min(extent.points, 4):
                break
            key = f"point-{number}-{uuid4()}"
            path = f"/v1/conversations/{await converse(client, 'just once')}/runs"
            posting = asyncio.create_task(client.post(path, json=BODY, headers={HEADER: key}))
            await _moments(lab, key, posting, extent)[number]()
            await server.kill()
            (answered,) = await asyncio.gather(posting, return_exceptions=True)
            asked = path, {HEADER: key}, answered


async def _retry(client: httpx.AsyncClient, path: str, key: dict[str, str], answered: object) -> None:
    again = await client.post(path, json=BODY, headers=key)
    assert again.status_code == 201, again.text
    if isinstance(answered, httpx.Response):
        assert (again.content, again.headers["Location"]) == (answered.content, answered.headers["Location"])
        assert again.headers["Idempotent-Replayed"] == "true"
    assert (await whole_log(client, again.json()["id"]))[-1].type == "run.completed"
    runs = (await client.get(path)).json()["data"]
    assert [run["id"] for run in runs] == [again.json()["id"]]
