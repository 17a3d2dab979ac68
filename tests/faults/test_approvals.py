"""`kill -9` around a question to a person: asked once, answered once, and what it was about is done once at most."""

import asyncio
import random
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import pytest

from graph.events import ApprovalRequested, ToolCallResult
from tests.faults.conftest import Extent
from tests.faults.lab import Lab, get_run, start, whole_log
from tests.http.serving import Json
from tests.support.scripted_model import Replies, Reply, ScriptedModel, ScriptedRequest, anything
from tests.support.server_process import Running
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
POLICIES: Final = """
rules:
  - {match: lab__*, verdict: allow}
  - {match: lab__act, verdict: ask}
"""
MOMENTS: Final = ("while it asks", "while it waits", "while it is answered", "while it goes on")
_PATIENCE: Final = 120


@dataclass
class Visit:
    """A server between its start and its death, with the run and the call by hand that wait for a person there."""

    lab: Lab
    client: httpx.AsyncClient
    chance: random.Random
    runs: dict[str, str] = field(default_factory=dict)
    by_hand: dict[str, str] = field(default_factory=dict)
    """Approvals of calls that no run makes, by the key of the call."""

    async def questions(self) -> list[Json]:
        answer = await self.client.get("/v1/approvals", params={"status": "pending"})
        found: list[Json] = answer.raise_for_status().json()["data"]
        return found

    async def status(self, run_id: str) -> str:
        return str((await get_run(self.client, run_id))["status"])

    async def die(self, running: Running, moment: str, key: str) -> None:
        """Has both asked about, and kills the server at this moment."""
        self.runs[key] = run_id = await start(self.client, f"act {key}")
        call = {"arguments": {"key": f"hand{key}"}}
        asked = await self.client.post("/v1/tools/lab__act/invoke", json=call)
        assert asked.status_code == 202, asked.text
        self.by_hand[f"hand{key}"] = asked.json()["id"]
        if moment != "while it asks":
            await until(lambda: self.is_status(run_id, "requires_action"), _PATIENCE)
        answering = [self.answer(each["id"]) for each in await self.questions()] if moment in MOMENTS[2:] else []
        tasks = [asyncio.create_task(each) for each in answering]
        if moment == "while it goes on":
            await asyncio.gather(*tasks)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), self.chance.uniform(0, 0.1))
        await running.kill()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def is_status(self, run_id: str, status: str) -> bool:
        return await self.status(run_id) == status

    async def answer(self, approval_id: str) -> int:
        body = {"decision": "approve"}
        return (await self.client.post(f"/v1/approvals/{approval_id}", json=body)).status_code

    async def settle(self) -> None:
        """Answers what is still open, twice, and looks at how everything ended."""
        for run_id in self.runs.values():
            await until(partial(self.is_at_rest, run_id), _PATIENCE)
        for question in await self.questions():
            codes = await asyncio.gather(*(self.answer(question["id"]) for _ in range(2)))
            assert sorted(codes) == [200, 409]
        for key, run_id in self.runs.items():
            await self.check_run(key, run_id)
        for key, approval_id in self.by_hand.items():
            await self.check_call(key, approval_id)

    async def is_at_rest(self, run_id: str) -> bool:
        return await self.status(run_id) in ("requires_action", "completed", "failed", "cancelled")

    async def check_run(self, key: str, run_id: str) -> None:
        log = await whole_log(self.client, run_id)
        assert log[-1].type == "run.completed", log[-1]
        assert sum(isinstance(event, ApprovalRequested) for event in log) == 1, "no question is put twice"
        [status] = [event.status for event in log if isinstance(event, ToolCallResult)]
        self.check_effect(key, status)

    async def check_call(self, key: str, approval_id: str) -> None:
        async def made() -> bool:
            call = (await self.client.get(f"/v1/approvals/{approval_id}")).json()["tool_call"]
            return call is not None and call["status"] != "running"

        await until(made, _PATIENCE)
        self.check_effect(key, (await self.client.get(f"/v1/approvals/{approval_id}")).json()["tool_call"]["status"])

    def check_effect(self, key: str, status: str) -> None:
        """The tool's own count against what is told of the call."""
        done = self.lab.traces("act", key)
        assert (status, done) in (("ok", 1), ("unknown", 0), ("unknown", 1)), (key, status, done)


def reply(request: ScriptedRequest) -> Reply:
    asked = re.search(r"act (key\d+)", request.last_user)
    assert asked
    return Replies.text("Done.") if request.tool_results else Replies.tool("lab__act", {"key": asked[1]})


@pytest.mark.exhaustive
async def test_kill_9_around_a_question_makes_nothing_happen_twice(
    tmp_path: Path, scripted_model: ScriptedModel, database_url: str, extent: Extent
) -> None:
    scripted_model.when(anything, reply)
    lab = Lab(tmp_path, scripted_model, {"DATABASE_URL": database_url}, POLICIES)
    chance, before = random.Random(extent.seed), Visit(lab, httpx.AsyncClient(), random.Random())
    for number in range(extent.points // 2):
        async with lab.serving() as running, running.client() as client:
            visit = Visit(lab, client, chance)
            await Visit(lab, client, chance, before.runs, before.by_hand).settle()
            await visit.die(running, MOMENTS[number % len(MOMENTS)], f"key{number}")
            before = visit
    async with lab.serving() as running, running.client() as client:
        await Visit(lab, client, chance, before.runs, before.by_hand).settle()
        assert await running.stop() == 0
