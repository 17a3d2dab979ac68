"""F03, F04 and the ledger: `kill -9` at any point loses no run, breaks no log and makes nothing happen twice."""

import asyncio
import random
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from graph.events import RunEvent, ToolCallResult
from tests.faults.conftest import Extent
from tests.faults.lab import Lab, check_numbers, get_run, start, whole_log
from tests.http.serving import Sent, follow, parse_stream
from tests.support.scripted_model import (
    Replies,
    Reply,
    ScriptedModel,
    ScriptedRequest,
    anything,
    open_scripted_model,
    says,
)
from tests.support.server_process import Running
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Survivor:
    """A run whose server was killed in the middle of its answer, on the server that was started after it."""

    lab: Lab
    client: httpx.AsyncClient
    run_id: str
    before: list[Sent]
    """What a reader had when the connection broke."""


async def read_up_to(client: httpx.AsyncClient, run_id: str, enough: Callable[[str], bool]) -> list[Sent]:
    """Returns the first events of a run, and leaves as soon as the text of the stream is enough."""
    text = ""
    async with client.stream("GET", f"/v1/runs/{run_id}/events") as answer, asyncio.timeout(PATIENCE):
        async for piece in answer.aiter_text():
            text += piece
            if enough(text):
                break
    return parse_stream(text[: text.rindex("\n\n") + 2])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def survivor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Survivor]:
    async with open_scripted_model() as model:
        model.when(says("F03"), Replies.text("half ", "never").stalled(after=1), Replies.text("the ", "whole"))
        lab = Lab(tmp_path_factory.mktemp("killed"), model)
        async with lab.serving() as running, running.client() as client:
            run_id = await start(client, "F03", "general")
            before = await read_up_to(client, run_id, lambda text: "half " in text)
            await running.kill()
        async with lab.serving() as running, running.client() as client:
            yield Survivor(lab, client, run_id, before)


@pytest.mark.asyncio(loop_scope="module")
async def test_f03_a_killed_server_takes_its_run_up_again_on_a_sound_database(survivor: Survivor) -> None:
    log = await whole_log(survivor.client, survivor.run_id)
    run = await get_run(survivor.client, survivor.run_id)
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert [event.type for event in log if event.type == "run.resumed"] == ["run.resumed"]
    with closing(sqlite3.connect(survivor.lab.folder / "data" / "app.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.asyncio(loop_scope="module")
async def test_f04_a_reader_that_reconnects_after_the_crash_gets_the_exact_rest(survivor: Survivor) -> None:
    whole = await follow(survivor.client, survivor.run_id)
    assert survivor.before == whole[: len(survivor.before)]
    for cursor in range(len(whole)):
        rest = await follow(survivor.client, survivor.run_id, Last_Event_ID=str(cursor))
        assert rest == whole[cursor:]
        check_numbers(rest, after=cursor)


@dataclass(frozen=True)
class Point:
    """Where a run is when its server dies: so many events were seen, and so many seconds passed since."""

    number: int
    events: int
    seconds: float


def choose_points(extent: Extent) -> list[Point]:
    """Every second point lies within the tool's own work, the others anywhere."""
    chance = random.Random(extent.seed)
    within = [Point(n, 3, chance.uniform(0, 0.08)) for n in range(0, extent.points, 2)]
    anywhere = [Point(n, chance.randint(0, 8), chance.uniform(0, 0.02)) for n in range(1, extent.points, 2)]
    return sorted([*within, *anywhere], key=lambda point: point.number)


def answer(request: ScriptedRequest) -> Reply:
    """Calls the tool that the user names, with the key that they name, then speaks."""
    asked = re.search(r"(act|look) (key\d+)", request.last_user)
    assert asked
    if request.tool_results:
        return Replies.text("That ", "is ", "how ", "it ", "went.").paced(0.01)
    return Replies.tool(f"lab__{asked[1]}", {"key": asked[2]})


async def crash_at(running: Running, client: httpx.AsyncClient, run_id: str, point: Point) -> None:
    if point.events:
        await read_up_to(client, run_id, lambda text: text.count("\n\n") > point.events)
    with suppress(TimeoutError):
        async with asyncio.timeout(point.seconds):
            await asyncio.Event().wait()  # a moment of chance, not a condition
    await running.kill()


async def test_kill_9_at_any_point_makes_nothing_happen_twice(
    tmp_path: Path, scripted_model: ScriptedModel, database_url: str, extent: Extent
) -> None:
    scripted_model.when(anything, answer)
    lab = Lab(tmp_path, scripted_model, {"DATABASE_URL": database_url})
    runs: dict[str, str] = {}
    for point in choose_points(extent):
        async with lab.serving() as running, running.client() as client:
            await check_ends(lab, client, runs)
            key = f"key{point.number}"
            runs = {f"{tool} {key}": await start(client, f"{tool} {key}") for tool in ("act", "look")}
            await crash_at(running, client, runs[f"act {key}"], point)
    async with lab.serving() as running, running.client() as client:
        await check_ends(lab, client, runs)
        assert await running.stop() == 0


async def check_ends(lab: Lab, client: httpx.AsyncClient, runs: dict[str, str]) -> None:
    """Waits for runs that a crash interrupted and checks how they ended."""
    for said, run_id in runs.items():
        tool, key = said.split()
        log = await whole_log(client, run_id)
        assert log[-1].type == "run.completed", (said, log[-1])
        done = lab.traces(tool, key)
        if tool == "look":
            assert (outcomes(log), done in (1, 2)) == (["ok"], True), (said, done)
        elif outcomes(log) == ["unknown"]:
            assert done in (0, 1), said
            assert was_told(lab.model, said)
        else:
            assert (outcomes(log), done) == (["ok"], 1), said


def outcomes(log: list[RunEvent]) -> list[str]:
    return [event.status for event in log if isinstance(event, ToolCallResult)]


def was_told(model: ScriptedModel, said: str) -> bool:
    """Whether the model heard that nobody knows the call's outcome."""
    return any("not known whether" in " ".join(each.tool_results) for each in model.requests if says(said)(each))
