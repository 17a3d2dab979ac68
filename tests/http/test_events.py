"""The stream of a run: live, replayed, resumed; always the same bytes."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from graph.events import run_events
from tests.http.serving import Json, converse, ended, follow, parse_stream, start_run
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def told(model: ScriptedModel, client: httpx.AsyncClient, words: str) -> Json:
    """Returns a run that has ended."""
    model.when(says(words), Replies.text("one ", "two ", "three"))
    return await ended(client, (await start_run(client, words))["id"])


async def read(client: httpx.AsyncClient, run_id: str, after: int = 0) -> bytes:
    return (await client.get(f"/v1/runs/{run_id}/events", headers={"Last-Event-ID": str(after)})).content


async def test_the_stream_says_how_it_is_to_be_read(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    run = await told(model, user, "say the headers")
    answer = await user.get(f"/v1/runs/{run['id']}/events")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.text.startswith("retry: 1000\n\n")
    for sent in parse_stream(answer.text):
        event = run_events.validate_json(sent.data)
        assert (sent.id, sent.event) == (str(event.seq), event.type)


async def test_every_suffix_is_the_rest_of_the_log_byte_for_byte(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    run = await told(model, user, "say the suffixes")
    blocks = (await read(user, run["id"])).split(b"\n\n")
    retry, events = blocks[0], blocks[1:-1]
    for after in range(len(events)):
        assert await read(user, run["id"], after) == b"\n\n".join([retry, *events[after:], b""])


async def test_a_reader_at_the_end_is_told_not_to_come_back(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    run = await told(model, user, "say the end")
    last = (await follow(user, run["id"]))[-1].id
    answer = await user.get(f"/v1/runs/{run['id']}/events", headers={"Last-Event-ID": last})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("after", "code"), [("999", "unknown_cursor"), ("-1", "invalid_cursor"), ("x", "invalid_cursor")]
)
async def test_a_cursor_that_is_not_of_this_log_is_a_problem(
    model: ScriptedModel, user: httpx.AsyncClient, after: str, code: str
) -> None:
    run = await told(model, user, f"say the cursor {after}")
    answer = await user.get(f"/v1/runs/{run['id']}/events", params={"after": after})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_the_header_wins_over_the_query(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    run = await told(model, user, "say who wins")
    answer = await user.get(f"/v1/runs/{run['id']}/events", params={"after": "999"}, headers={"Last-Event-ID": "2"})
    assert parse_stream(answer.text)[0].id == "3"


async def test_the_request_that_makes_a_run_may_stream_it(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("stream at once"), Replies.text("Here ", "it is."))
    conversation = await converse(user, "stream at once")
    body = {"agent_id": "general", "stream": True}
    answer = await user.post(f"/v1/conversations/{conversation}/runs", json=body)
    assert answer.status_code == 200
    where = answer.headers["Content-Location"]
    sent = parse_stream(answer.text)
    assert where == f"/v1/runs/{json.loads(sent[0].data)['run_id']}/events"
    assert (await user.get(where)).content == answer.content
    said = [json.loads(each.data)["delta"] for each in sent if each.event == "model.delta"]
    assert "".join(said) == "Here it is."


async def test_tokens_are_sent_as_they_are_made(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    gate = asyncio.Event()
    model.when(says("drop by drop"), Replies.text("first", "second").held(gate, after=1))
    run = await start_run(user, "drop by drop")
    async with user.stream("GET", f"/v1/runs/{run['id']}/events") as answer:
        lines = answer.aiter_lines()
        assert "first" in await line_with(lines, "model.delta")
        assert not gate.is_set()
        gate.set()
        assert "secon" in await line_with(lines, "model.delta")  # its end may be held: a secret might begin there


async def test_a_lost_reader_loses_nothing(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    gate = asyncio.Event()
    model.when(says("lose me"), Replies.text("before ", "after").held(gate, after=1))
    run = await start_run(user, "lose me")
    async with user.stream("GET", f"/v1/runs/{run['id']}/events") as answer:
        seen = json.loads(await line_with(answer.aiter_lines(), "model.delta"))["seq"]
    gate.set()
    rest = await follow(user, run["id"], Last_Event_ID=str(seen))
    assert [int(each.id) for each in rest] == list(range(seen + 1, seen + 1 + len(rest)))
    assert rest[-1].event == "run.completed"
    assert (await user.get(f"/v1/runs/{run['id']}/steps")).json()["data"][0]["output"] == "before after"


async def test_many_readers_are_sent_the_same_bytes(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    gate = asyncio.Event()
    model.when(says("read by many"), Replies.text(*"abcdefgh").held(gate, after=1))
    run = await start_run(user, "read by many")
    reading = [asyncio.create_task(read(user, run["id"])) for _ in range(20)]
    gate.set()
    assert len(set(await asyncio.gather(*reading))) == 1


async def line_with(lines: AsyncIterator[str], kind: str) -> str:
    """Returns the data of the next event of this kind."""
    async with asyncio.timeout(PATIENCE):
        async for line in lines:
            if line.startswith("data: ") and f'"type":"{kind}"' in line:
                return line.removeprefix("data: ")
    raise AssertionError(f"no {kind}")
