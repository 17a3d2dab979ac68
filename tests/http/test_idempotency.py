"""`Idempotency-Key`: whatever is sent twice under one key acts once."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from tests.completions.asking import ask, content_of
from tests.http.serving import Json, converse, ended, parse_stream
from tests.http.test_problems import check_problem
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = pytest.mark.asyncio(loop_scope="session")


def under(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid4())}


async def runs_of(client: httpx.AsyncClient, conversation: str) -> list[Json]:
    data: list[Json] = (await client.get(f"/v1/conversations/{conversation}/runs")).raise_for_status().json()["data"]
    return data


def check_replay(first: httpx.Response, again: httpx.Response) -> None:
    assert first.is_success, first.text
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("Location", "Content-Location", "Content-Type"):
        assert again.headers.get(name) == first.headers.get(name)


async def test_what_was_made_is_told_again_and_not_made_again(admin: httpx.AsyncClient) -> None:
    conversation = await converse(admin, "nothing to answer")
    agent = {"id": f"twin-{uuid4().hex[:8]}", "name": "Twin", "description": "One of one.", "system_prompt": "Be."}
    for path, body in (
        ("/v1/conversations", {"title": "Trip"}),
        (f"/v1/conversations/{conversation}/messages", {"content": "hello"}),
        ("/v1/agents", agent),
        ("/v1/tools/calculator__calculate/invoke", {"arguments": {"expression": "6*7"}}),
    ):
        key = under()
        check_replay(await admin.post(path, json=body, headers=key), await admin.post(path, json=body, headers=key))
    messages = (await admin.get(f"/v1/conversations/{conversation}/messages")).json()["data"]
    assert [message["content"] for message in messages] == ["hello", "nothing to answer"]


async def test_twenty_at_once_start_one_run(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("once only"), Replies.text("Once."))
    conversation, key = await converse(user, "once only"), under()
    path, body = f"/v1/conversations/{conversation}/runs", {"agent_id": "general"}
    answers = await asyncio.gather(*(user.post(path, json=body, headers=key) for _ in range(20)))
    made = [answer for answer in answers if answer.status_code == 201]
    for refused in (answer for answer in answers if answer not in made):
        check_problem(refused, 409, "idempotency_in_progress")
        assert refused.headers["Retry-After"] == "1"
    assert len(await runs_of(user, conversation)) == 1
    assert len({answer.content for answer in made}) == 1
    again = await user.post(path, json=body, headers=key)
    assert again.content == made[0].content
    await ended(user, again.json()["id"])


async def test_key_with_another_request_is_refused(user: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    key = under()
    first = await user.post("/v1/conversations", json={"title": "one"}, headers=key)
    check_problem(
        await user.post("/v1/conversations", json={"title": "two"}, headers=key), 422, "idempotency_key_reused"
    )
    path = f"/v1/conversations/{first.json()['id']}/messages"
    check_problem(await user.post(path, json={"title": "one"}, headers=key), 422, "idempotency_key_reused")
    # of another caller it is another key
    theirs = await other.post("/v1/conversations", json={"title": "one"}, headers=key)
    assert theirs.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "schl\u00fcssel"])
async def test_what_is_no_key_is_refused(user: httpx.AsyncClient, key: str) -> None:
    answer = await user.post("/v1/conversations", headers={b"Idempotency-Key": key.encode()})
    check_problem(answer, 422, "invalid_idempotency_key")


async def test_stream_is_told_again_from_the_start_of_the_same_run(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    gate = asyncio.Event()
    model.when(says("stream me"), Replies.text("one ", "two").held(gate, after=1))
    conversation, key = await converse(user, "stream me"), under()
    path, body = f"/v1/conversations/{conversation}/runs", {"agent_id": "general", "stream": True}
    async with user.stream("POST", path, json=body, headers=key) as first:
        # who lost the connection comes back before the server has noticed, and reads along
        again = asyncio.create_task(user.post(path, json=body, headers=key))
        await model.requested(says("stream me"))
        gate.set()
        told = (await first.aread()).decode()
    check_replay(first, await again)
    check_replay(first, await user.post(path, json=body, headers=key))
    assert parse_stream(told)[-1].event == "run.completed"
    assert len(await runs_of(user, conversation)) == 1


async def test_what_was_refused_is_not_kept(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("late"), Replies.text("Better."))
    conversation, key = (await user.post("/v1/conversations")).json()["id"], under()
    path = f"/v1/conversations/{conversation}/runs"
    check_problem(await user.post(path, json={"agent_id": "general"}, headers=key), 409, "no_user_message")
    await user.post(f"/v1/conversations/{conversation}/messages", json={"content": "late"})
    answer = await user.post(path, json={"agent_id": "general"}, headers=key)
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (201, False)
    await ended(user, answer.json()["id"])


async def test_cancelling_twice_says_the_same(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("endless"), Replies.text("...").stalled())
    conversation, key = await converse(user, "endless"), under()
    run = (await user.post(f"/v1/conversations/{conversation}/runs", json={"agent_id": "general"})).json()["id"]
    await model.requested(says("endless"))
    first = await user.post(f"/v1/runs/{run}/cancel", headers=key)
    check_replay(first, await user.post(f"/v1/runs/{run}/cancel", headers=key))
    assert (await ended(user, run))["status"] == "cancelled"


async def test_completion_is_one_run_and_one_while_it_is_under_way(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    gate = asyncio.Event()
    model.when(says("complete me once"), Replies.text("Do", "ne.").held(gate, after=1))
    key, question = under(), ("user", "complete me once")
    first = asyncio.create_task(ask(user, question, headers=key))
    await model.requested(says("complete me once"))
    busy = await ask(user, question, headers=key)
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "idempotency_in_progress")
    gate.set()
    assert content_of(await first) == "Done."
    check_replay(await first, await ask(user, question, headers=key))
    assert len([each for each in model.requests if says("complete me once")(each)]) == 1
    refused = await ask(user, ("user", "something else"), headers=key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")


async def test_streamed_completion_is_told_again(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("chunks please"), Replies.text("a ", "b"))
    key, question = under(), ("user", "chunks please")
    headers = {**key, "X-OpenWebUI-Chat-Id": "temporary:1"}  # a chat of which nothing is found again by its words
    first = await ask(user, question, headers=headers, stream=True)
    again = await ask(user, question, headers=headers, stream=True)
    check_replay(first, again)
    assert again.headers["X-Open-Agent-Run-Id"] == first.headers["X-Open-Agent-Run-Id"]
    assert len([each for each in model.requests if says("chunks please")(each)]) == 1


async def test_completion_that_failed_may_go_well_the_next_time(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("fail first"), Replies.error(400), Replies.text("Better."))
    key, question = under(), ("user", "fail first")
    assert (await ask(user, question, headers=key)).status_code == 500
    assert content_of(await ask(user, question, headers=key)) == "Better."
