"""What a tool server asks while it works on a call is put to who owns the call: an approval of the kind `question`."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.gateway.peer import open_peer, words
from tests.http.clerk import (
    ASK,
    FILLED,
    SCHEMA,
    SECRET,
    ask,
    asked,
    build_desk,
    chat,
    desk,
    hire,
    resolve,
    result_of,
    script,
    uma,
)
from tests.http.serving import (
    ADMIN_KEY,
    OTHER_KEY,
    USER_KEY,
    Served,
    ended,
    follow,
    open_served,
    parse_stream,
    start_run,
)
from tests.support.scripted_model import ScriptedModel
from tests.support.waiting import until

__all__ = ["desk", "uma"]
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
WAITING = """\
**A question of a tool's server:** `complete__test_elicitation`, which clerk has called, asks

```text
who chats?
- username (text)
- email (text)
```

Reply `edit: {…}` with an answer of this form; `reject` tells it nothing. \
It is told what you write, so write nothing secret.

```json
{"username": "…", "email": "…"}
```

Elsewhere: `open-agent approvals answer ID`, or \
`POST /v1/approvals/ID` with `{"decision": "edit", "arguments": {…}}`."""


async def test_question_of_a_server_is_put_to_the_owner_of_the_run_which_goes_on_with_the_answer(
    uma: httpx.AsyncClient, model: ScriptedModel
) -> None:
    run = await ask(uma, model, "who are you, please?")
    question = await asked(uma, run_id=run["id"])
    assert question == {
        "id": question["id"],
        "kind": "question",
        "run_id": run["id"],
        "step_id": question["step_id"],
        "call_id": question["call_id"],
        "agent": "clerk",
        "tool": ASK,
        "arguments": {"message": "who are you, please?", "requestedSchema": SCHEMA},
        "edited": None,
        "rule": "elicitation",
        "status": "pending",
        "reason": None,
        "resolved_by": None,
        "created_at": question["created_at"],
        "expires_at": question["expires_at"],
        "resolved_at": None,
        "tool_call": question["tool_call"],
    }
    assert question["tool_call"]["status"] == "running"
    assert (await uma.get(f"/v1/runs/{run['id']}")).json()["status"] == "running"
    answered = (await resolve(uma, question, decision="edit", arguments=FILLED)).json()
    assert (answered["status"], answered["edited"], answered["resolved_by"]) == ("edited", FILLED, "uma")
    assert json.dumps({"action": "accept", "content": FILLED}) in await result_of(uma, run)
    told = [event for event in await follow(uma, run["id"]) if event.event.startswith("approval.")]
    assert [event.event for event in told] == ["approval.requested", "approval.resolved"]
    requested = json.loads(told[0].data)
    assert (requested["rule"], requested["arguments"]["message"]) == ("elicitation", "who are you, please?")
    assert (requested["step_id"], requested["call_id"]) == (question["step_id"], question["call_id"])
    again = await resolve(uma, question, decision="reject")
    assert (again.status_code, again.json()["code"]) == (409, "approval_resolved")


async def test_answer_that_is_none_is_refused_and_the_question_stays_open(
    uma: httpx.AsyncClient, model: ScriptedModel
) -> None:
    run = await ask(uma, model, "who is refused?")
    question = await asked(uma, run_id=run["id"])
    empty = await resolve(uma, question, decision="approve")
    assert (empty.status_code, empty.json()["code"]) == (422, "answer_required")
    assert "wants more than a yes" in empty.json()["detail"]
    wrong = await resolve(uma, question, decision="edit", arguments={**FILLED, "email": 7})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_answer")
    assert wrong.json()["errors"][0]["pointer"] == "/arguments/email"
    assert (await resolve(uma, question, decision="reject", reason="none of its business")).status_code == 200
    assert '"action": "decline"' in await result_of(uma, run)


async def test_plain_yes_answers_a_form_without_required_fields(uma: httpx.AsyncClient, model: ScriptedModel) -> None:
    script(model, "fill it in", "complete__test_elicitation_sep1034_defaults", {})
    run = await start_run(uma, "fill it in", "clerk")
    question = await asked(uma, run_id=run["id"])
    assert (await resolve(uma, question, decision="approve")).json()["status"] == "approved"
    assert "action=accept, content={}" in await result_of(uma, run)


async def test_question_is_nobody_elses(desk: Served, uma: httpx.AsyncClient, model: ScriptedModel) -> None:
    run = await ask(uma, model, "who is it not?")
    question = await asked(uma, run_id=run["id"])
    for key in (OTHER_KEY, ADMIN_KEY):
        async with desk.client(key) as other:
            assert (await resolve(other, question, decision="reject")).status_code == 404
            assert (await other.get("/v1/approvals")).json()["data"] == []
    assert (await resolve(uma, question, decision="reject")).status_code == 200
    async with desk.client(ADMIN_KEY) as ann:
        query = {"action": "approval.resolve", "run_id": run["id"]}
        [entry] = (await ann.get("/v1/audit", params=query)).json()["data"]
    assert (entry["principal"], entry["outcome"], entry["rule"]) == ("uma", "rejected", "elicitation")
    assert "decline" in await result_of(uma, run)


async def test_question_ends_with_its_run(uma: httpx.AsyncClient, model: ScriptedModel) -> None:
    run = await ask(uma, model, "who is cancelled?")
    question = await asked(uma, run_id=run["id"])
    await uma.post(f"/v1/runs/{run['id']}/cancel")
    assert (await ended(uma, run["id"]))["status"] == "cancelled"

    async def is_closed() -> bool:
        return bool((await uma.get(f"/v1/approvals/{question['id']}")).json()["status"] != "pending")

    await until(is_closed)
    late = await resolve(uma, question, decision="edit", arguments=FILLED)
    assert late.status_code == 409
    # the server is not hurt by it
    answer = await uma.post("/v1/tools/complete__record/invoke", json={"arguments": {}})
    assert answer.json()["status"] == "ok"


async def test_secrets_in_a_question_and_its_answer_are_shown_to_nobody_but_the_server(
    uma: httpx.AsyncClient, model: ScriptedModel
) -> None:
    run = await ask(uma, model, f"is\u200b it {SECRET}\u0007?")
    question = await asked(uma, run_id=run["id"])
    assert SECRET not in json.dumps(question)
    assert question["arguments"]["message"].startswith("is it ")
    assert question["arguments"]["message"].isprintable()
    answered = await resolve(uma, question, decision="edit", arguments={"username": SECRET, "email": "e"})
    assert SECRET not in answered.text
    result = await result_of(uma, run)
    assert SECRET not in result
    assert '"action": "accept"' in result
    assert SECRET not in (await uma.get(f"/v1/runs/{run['id']}/events")).text


async def test_call_by_hand_whose_server_asks_answers_202_and_goes_on(uma: httpx.AsyncClient) -> None:
    answer = await uma.post(f"/v1/tools/{ASK}/invoke", json={"arguments": {"message": "by hand?"}})
    question = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/approvals/{question['id']}")
    assert (question["kind"], question["run_id"], question["tool_call"]["status"]) == ("question", None, "running")
    assert (await resolve(uma, question, decision="edit", arguments=FILLED)).status_code == 200

    async def is_made() -> bool:
        call = (await uma.get(f"/v1/approvals/{question['id']}")).json()["tool_call"]
        return call["status"] == "ok" and "ada@example.com" in call["result"]

    await until(is_made)


async def test_client_that_cannot_ask_its_user_waits_while_the_owner_is_asked(
    desk: Served, uma: httpx.AsyncClient
) -> None:
    async with open_peer(desk, USER_KEY) as mute:
        call = asyncio.create_task(mute.call(ASK, message="by a client?"))
        question = await asked(uma)
        assert (question["arguments"]["message"], question["run_id"]) == ("by a client?", None)
        await until(lambda: any(question["id"] in str(said) for said in mute.logs))
        await resolve(uma, question, decision="edit", arguments=FILLED)
        assert json.dumps(FILLED) in words(await call)


async def test_client_that_can_ask_its_user_is_asked_itself(desk: Served, uma: httpx.AsyncClient) -> None:
    async with open_peer(desk, USER_KEY, answer={"action": "accept", "content": FILLED}) as peer:
        assert json.dumps(FILLED) in words(await peer.call(ASK, message="itself?"))
    assert (await uma.get("/v1/approvals", params={"status": "pending"})).json()["data"] == []


async def test_reading_until_the_run_waits_ends_at_a_question(uma: httpx.AsyncClient, model: ScriptedModel) -> None:
    run = await ask(uma, model, "until when?")
    told = parse_stream((await uma.get(f"/v1/runs/{run['id']}/events?until_waiting=true")).text)
    assert told[-1].event == "approval.requested"
    await resolve(uma, await asked(uma, run_id=run["id"]), decision="reject")
    rest = parse_stream((await uma.get(f"/v1/runs/{run['id']}/events?until_waiting=true&after={told[-1].id}")).text)
    assert (rest[0].event, rest[-1].event) == ("approval.resolved", "run.completed")


async def test_chat_ends_its_answer_with_the_question_and_the_next_message_answers_it(
    uma: httpx.AsyncClient, model: ScriptedModel
) -> None:
    script(model, "who chats?")
    history = [{"role": "user", "content": "who chats?"}]
    words_asked = await chat(uma, history)
    question = await asked(uma)
    assert words_asked == WAITING.replace("ID", question["id"])
    history += [{"role": "assistant", "content": words_asked}, {"role": "user", "content": "edit: nothing of it"}]
    again = await chat(uma, history)
    assert again.startswith("After `edit:` comes one JSON object")
    assert question["id"] in again
    history += [{"role": "assistant", "content": again}, {"role": "user", "content": f"edit: {json.dumps(FILLED)}"}]
    assert await chat(uma, history) == "There you are."


async def test_form_of_one_field_is_answered_in_plain_words(uma: httpx.AsyncClient, model: ScriptedModel) -> None:
    script(model, "one word?", "complete__test_elicitation_one", {})
    history = [{"role": "user", "content": "one word?"}]
    history += [{"role": "assistant", "content": await chat(uma, history)}, {"role": "user", "content": "edit: 41"}]
    question = await asked(uma)
    assert await chat(uma, history) == "There you are."
    assert (await uma.get(f"/v1/approvals/{question['id']}")).json()["edited"] == {"age": 41}


async def test_question_that_nobody_answers_is_cancelled_and_the_run_goes_on(
    model: ScriptedModel, tmp_path: Path
) -> None:
    settings = build_desk(tmp_path, model.base_url, approval_seconds=1)
    async with open_served(settings) as hasty, hasty.client(ADMIN_KEY) as ann:
        await hire(ann)
        run = await ask(ann, model, "is nobody there?")
        assert '"action": "cancel"' in await result_of(ann, run)
        [closed] = (await ann.get("/v1/approvals")).json()["data"]
        assert (closed["status"], closed["resolved_by"]) == ("expired", "open-agent")
