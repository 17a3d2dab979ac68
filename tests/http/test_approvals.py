"""Approvals over REST: asked for by runs and by calls by hand, answered once by their owner."""

import httpx
import pytest
import pytest_asyncio

from tests.http.serving import Json, ended, follow, servers_settled, start_run
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
CALCULATE = "/v1/tools/calculator__calculate/invoke"


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def servers_are_up(user: httpx.AsyncClient) -> None:
    await servers_settled(user)


async def ask_by_hand(client: httpx.AsyncClient, expression: str) -> Json:
    answer = await client.post(CALCULATE, json={"arguments": {"expression": expression}})
    approval: Json = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/approvals/{approval['id']}")
    return approval


async def made(client: httpx.AsyncClient, approval: Json) -> Json:
    """Returns the approval once its call was made."""
    path = f"/v1/approvals/{approval['id']}"

    async def called() -> bool:
        call = (await client.get(path)).json()["tool_call"]
        return call is not None and call["status"] != "running"

    await until(called)
    shown: Json = (await client.get(path)).json()
    return shown


async def waiting(client: httpx.AsyncClient, run: Json) -> Json:
    """Returns the one question that the run waits for."""

    async def suspended() -> bool:
        return bool((await client.get(f"/v1/runs/{run['id']}")).json()["status"] == "requires_action")

    await until(suspended)
    [approval] = (await client.get("/v1/approvals", params={"status": "pending", "run_id": run["id"]})).json()["data"]
    question: Json = approval
    return question


async def sum_up(client: httpx.AsyncClient, model: ScriptedModel, expression: str) -> Json:
    """Starts a run whose model asks for this sum."""
    question = f"what is {expression}?"
    model.when(lambda request: has_result()(request) and says(expression)(request), Replies.text("There you are."))
    model.when(says(expression), Replies.tool("calculator__calculate", {"expression": expression}))
    return await start_run(client, question, "tool-agent")


async def test_call_by_hand_waits_and_is_made_when_it_is_approved(admin: httpx.AsyncClient) -> None:
    asked = await ask_by_hand(admin, "999+1")
    assert asked == {
        "id": asked["id"],
        "kind": "call",
        "run_id": None,
        "step_id": None,
        "call_id": asked["call_id"],
        "agent": None,
        "tool": "calculator__calculate",
        "arguments": {"expression": "999+1"},
        "edited": None,
        "rule": asked["rule"],
        "status": "pending",
        "reason": None,
        "resolved_by": None,
        "created_at": asked["created_at"],
        "expires_at": asked["expires_at"],
        "resolved_at": None,
        "tool_call": None,
    }
    path = f"/v1/approvals/{asked['id']}"
    assert (await admin.get(path)).json() == asked
    approved = await admin.post(path, json={"decision": "approve"})
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    shown = await made(admin, asked)
    assert (shown["resolved_by"], shown["tool_call"]["status"], shown["tool_call"]["result"]) == ("ann", "ok", "1000")
    again = await admin.post(path, json={"decision": "approve"})
    assert (again.status_code, again.json()["code"]) == (409, "approval_resolved")
    assert again.json()["detail"] == "It was approved before, by ann."


async def test_edited_arguments_are_judged_before_anything_changes(admin: httpx.AsyncClient) -> None:
    asked = await ask_by_hand(admin, "999+2")
    path = f"/v1/approvals/{asked['id']}"
    for body, code, pointer in (
        ({"decision": "edit", "arguments": {"expression": 7}}, "invalid_arguments", "/arguments/expression"),
        ({"decision": "edit", "arguments": {"expression": "666"}}, "denied_by_policy", "/arguments"),
        ({"decision": "edit"}, "invalid_request", ""),
        ({"decision": "approve", "arguments": {}}, "invalid_request", ""),
        ({"decision": "expire"}, "invalid_request", "/decision"),
    ):
        refused = await admin.post(path, json=body)
        problem = refused.json()
        assert (refused.status_code, problem["code"], problem["errors"][0]["pointer"]) == (422, code, pointer)
    assert (await admin.get(path)).json() == asked
    edit = {"decision": "edit", "arguments": {"expression": "999+3"}}
    assert (await admin.post(path, json=edit)).json()["status"] == "edited"
    shown = await made(admin, asked)
    assert (shown["arguments"], shown["edited"]) == (asked["arguments"], edit["arguments"])
    assert (shown["tool_call"]["arguments"], shown["tool_call"]["result"]) == (edit["arguments"], "1002")


async def test_rejected_call_by_hand_is_never_made(admin: httpx.AsyncClient) -> None:
    asked = await ask_by_hand(admin, "999+4")
    body = {"decision": "reject", "reason": "too big"}
    rejected = (await admin.post(f"/v1/approvals/{asked['id']}", json=body)).json()
    assert (rejected["status"], rejected["reason"], rejected["tool_call"]) == ("rejected", "too big", None)


async def test_run_waits_for_its_owner_and_completes(
    user: httpx.AsyncClient, other: httpx.AsyncClient, admin: httpx.AsyncClient, model: ScriptedModel
) -> None:
    run = await sum_up(user, model, "999*2")
    approval = await waiting(user, run)
    path = f"/v1/approvals/{approval['id']}"
    assert (approval["agent"], approval["arguments"]) == ("tool-agent", {"expression": "999*2"})
    for stranger in (other, admin):
        assert (await stranger.get(path)).status_code == 404
        assert (await stranger.post(path, json={"decision": "approve"})).status_code == 404
        mine = (await stranger.get("/v1/approvals", params={"run_id": run["id"]})).json()["data"]
        assert mine == []
    assert (await user.post(path, json={"decision": "approve"})).json()["status"] == "approved"
    assert (await ended(user, run["id"]))["status"] == "completed"
    types = [sent.event for sent in await follow(user, run["id"])]
    assert [kind for kind in types if kind.startswith(("approval", "run", "tool"))] == [
        "run.started",
        "approval.requested",
        "approval.resolved",
        "run.resumed",
        "tool.call.started",
        "tool.call.result",
        "run.completed",
    ]
    assert (await user.get(path)).json()["tool_call"]["result"] == "1998"


@pytest.mark.slow
async def test_cancelled_runs_question_is_stale(user: httpx.AsyncClient, model: ScriptedModel) -> None:
    model.when(says("999*3"), Replies.tool("calculator__calculate", {"expression": "999*3"}))
    run = await start_run(user, "what is 999*3?", "tool-agent")
    approval = await waiting(user, run)
    cancelled = await user.post(f"/v1/runs/{run['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    late = await user.post(f"/v1/approvals/{approval['id']}", json={"decision": "approve"})
    assert (late.status_code, late.json()["code"]) == (409, "approval_cancelled")


async def test_reader_may_leave_where_the_run_waits(user: httpx.AsyncClient, model: ScriptedModel) -> None:
    model.when(says("999*4"), Replies.tool("calculator__calculate", {"expression": "999*4"}))
    run = await start_run(user, "what is 999*4?", "tool-agent")
    answer = await user.get(f"/v1/runs/{run['id']}/events", params={"until_waiting": "true"})
    assert "event: approval.requested" in answer.text
    assert "run.completed" not in answer.text
    await user.post(f"/v1/runs/{run['id']}/cancel")


@pytest.mark.parametrize("stream", [True, False])
async def test_completion_ends_with_how_to_approve_and_the_run_stays(
    user: httpx.AsyncClient, model: ScriptedModel, stream: bool
) -> None:
    expression = f"999*{5 + stream}"
    model.when(lambda request: has_result()(request) and says(expression)(request), Replies.text("There you are."))
    model.when(says(expression), Replies.tool("calculator__calculate", {"expression": expression}))
    body = {"model": "tool-agent", "stream": stream, "messages": [{"role": "user", "content": f"{expression}?"}]}
    answer = await user.post("/v1/chat/completions", json=body)
    run = (await user.get(f"/v1/runs/{answer.headers['X-Open-Agent-Run-Id']}")).json()
    approval = await waiting(user, run)
    assert f"POST /v1/approvals/{approval['id']}" in answer.text
    assert answer.text.endswith("data: [DONE]\n\n") is stream
    assert '"finish_reason":"stop"' in answer.text.replace(" ", "")
    await user.post(f"/v1/approvals/{approval['id']}", json={"decision": "approve"})
    assert (await ended(user, run["id"]))["status"] == "completed"
