"""Runs over REST: one question goes in, and everything that was done for it can be read."""

import asyncio

import httpx
import pytest

from tests.http.serving import converse, ended, follow, start_run
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans_for, says

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_question_is_planned_answered_with_a_tool_and_kept(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    question = "What is 17*23+4, please?"
    model.when(plans_for(question), Replies.plan([{"agent": "tool-agent", "task": question}]).costing(50, 10))
    model.when(
        lambda request: says(question)(request) and not has_result()(request),
        Replies.tool("calculator__calculate", {"expression": "17*23+4"}).costing(30, 5),
    )
    model.when(
        lambda request: says(question)(request) and has_result("395")(request),
        Replies.text("It is ", "395", ".").costing(40, 4),
    )
    conversation = await converse(user, question)
    made = await user.post(f"/v1/conversations/{conversation}/runs")
    run = made.json()
    assert (made.status_code, made.headers["Location"]) == (201, f"/v1/runs/{run['id']}")
    assert (run["agent_id"], run["status"], run["plan"], run["error"]) == ("router", "queued", None, None)

    sent = await follow(user, run["id"])
    assert [int(each.id) for each in sent] == list(range(1, len(sent) + 1))
    assert [each.event for each in sent if each.event != "model.delta"] == [
        "run.started",
        "step.started",
        "plan.created",
        "step.completed",
        "step.started",
        "tool.call.started",
        "tool.call.result",
        "step.completed",
        "run.completed",
    ]

    run = (await user.get(f"/v1/runs/{run['id']}")).json()
    assert run["status"] == "completed"
    assert run["usage"] == {"input_tokens": 120, "output_tokens": 19, "total_tokens": 139}
    assert [step["agent"] for step in run["plan"]["steps"]] == ["tool-agent"]
    assert run["created_at"] <= run["started_at"] <= run["ended_at"]

    listed = (await user.get(f"/v1/runs/{run['id']}/steps")).json()
    planned, worked = listed["data"]
    assert (listed["object"], listed["has_more"], listed["first_id"]) == ("list", False, planned["id"])
    assert (planned["kind"], planned["agent"], planned["status"]) == ("plan", "router", "completed")
    assert (worked["kind"], worked["agent"], worked["status"]) == ("agent", "tool-agent", "completed")
    assert worked["output"] == "It is 395."
    (call,) = worked["tool_calls"]
    assert (call["tool"], call["arguments"], call["status"], call["error"]) == (
        "calculator__calculate",
        {"expression": "17*23+4"},
        "ok",
        None,
    )
    assert "395" in call["result"]
    assert {key: planned["usage"][key] + worked["usage"][key] for key in run["usage"]} == run["usage"]

    messages = (await user.get(f"/v1/conversations/{conversation}/messages", params={"order": "asc"})).json()["data"]
    assert [(each["role"], each["content"], each["run_id"]) for each in messages] == [
        ("user", question, None),
        ("assistant", "It is 395.", run["id"]),
    ]
    assert messages[1]["id"] == run["message_id"]
    assert (await user.get(f"/v1/conversations/{conversation}/runs")).json()["data"] == [run]


async def test_an_agent_can_be_asked_directly(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("good morning, directly"), Replies.text("Good ", "morning!"))
    run = await start_run(user, "good morning, directly", agent_id="general")
    await follow(user, run["id"])
    (step,) = (await user.get(f"/v1/runs/{run['id']}/steps")).json()["data"]
    assert (step["kind"], step["agent"], step["output"]) == ("agent", "general", "Good morning!")


async def test_a_run_keeps_its_clients_metadata(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("with a label"), Replies.text("ok"))
    conversation = await converse(user, "with a label")
    body = {"agent_id": "general", "metadata": {"trace": "t-1"}}
    run = (await user.post(f"/v1/conversations/{conversation}/runs", json=body)).json()
    await follow(user, run["id"])
    assert (await user.get(f"/v1/runs/{run['id']}")).json()["metadata"] == {"trace": "t-1"}


async def test_without_a_user_message_there_is_nothing_to_answer(user: httpx.AsyncClient) -> None:
    conversation = (await user.post("/v1/conversations")).json()["id"]
    answer = await user.post(f"/v1/conversations/{conversation}/runs")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_user_message")


async def test_an_unknown_agent_is_named(user: httpx.AsyncClient) -> None:
    conversation = await converse(user, "hello")
    answer = await user.post(f"/v1/conversations/{conversation}/runs", json={"agent_id": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_agent")
    assert answer.json()["errors"][0]["pointer"] == "/agent_id"


async def test_a_failing_model_fails_the_run_with_a_reason(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.always(says("break, model"), Replies.error(400, "no such thing"))
    run = await start_run(user, "break, model")
    sent = await follow(user, run["id"])
    assert [each.event for each in sent][-1] == "run.failed"
    run = (await user.get(f"/v1/runs/{run['id']}")).json()
    assert run["status"] == "failed"
    assert run["error"]["code"]
    assert run["error"]["detail"]


async def test_a_run_is_cancelled_and_the_conversation_goes_on(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    gate = asyncio.Event()
    model.when(says("talk for ever"), Replies.text("well", "…").held(gate, after=1))
    model.when(says("now be brief"), Replies.text("Fine."))
    run = await start_run(user, "talk for ever")
    await model.requested(says("talk for ever"))
    asked = await user.post(f"/v1/runs/{run['id']}/cancel")
    assert (asked.status_code, asked.json()["id"]) == (202, run["id"])
    assert (await follow(user, run["id"]))[-1].event == "run.cancelled"
    again = await user.post(f"/v1/runs/{run['id']}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    path = f"/v1/conversations/{run['conversation_id']}"
    await user.post(f"{path}/messages", json={"content": "now be brief"})
    following = (await user.post(f"{path}/runs", json={"agent_id": "general"})).json()
    assert (await follow(user, following["id"]))[-1].event == "run.completed"


async def test_a_conversation_at_work_is_not_deleted(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    gate = asyncio.Event()
    model.when(says("keep working"), Replies.text("a", "b").held(gate, after=1))
    run = await start_run(user, "keep working")
    await model.requested(says("keep working"))
    path = f"/v1/conversations/{run['conversation_id']}"
    assert (await user.delete(path)).json()["code"] == "run_active"
    gate.set()
    await ended(user, run["id"])
    assert (await user.delete(path)).status_code == 204
    assert (await user.get(f"/v1/runs/{run['id']}")).status_code == 404


async def test_a_run_that_gives_way_names_the_one_that_is_active(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("stay active"), Replies.text("a", "b").held(asyncio.Event(), after=1))
    run = await start_run(user, "stay active")
    body = {"agent_id": "general", "multitask": "reject"}
    answer = await user.post(f"/v1/conversations/{run['conversation_id']}/runs", json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["run_id"]) == (409, "run_active", run["id"])
    assert run["id"] in answer.json()["detail"]
    asked = {"model": "general", "messages": [{"role": "user", "content": "stay active too"}]}
    headers = {"X-Open-Agent-Multitask": "whatever"}
    refused = await user.post("/v1/chat/completions", json=asked, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_header")
    assert (await user.post(f"/v1/runs/{run['id']}/cancel")).status_code == 202
    assert (await ended(user, run["id"]))["status"] == "cancelled"


async def test_a_run_is_forked_and_its_question_answered_again(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("a fork in the road"), Replies.text("left"), Replies.text("right"), Replies.text("straight on"))
    run = await ended(user, (await start_run(user, "a fork in the road", "general"))["id"])
    made = await user.post(f"/v1/runs/{run['id']}/fork")
    forked = await ended(user, made.json()["id"])
    assert (made.status_code, made.headers["Location"]) == (201, f"/v1/runs/{forked['id']}")
    assert (forked["status"], forked["forked_from"], run["forked_from"]) == ("completed", run["id"], None)

    messages = f"/v1/conversations/{run['conversation_id']}/messages"
    question = (await user.get(messages, params={"order": "asc"})).json()["data"][0]["id"]
    again = await user.post(
        f"/v1/conversations/{run['conversation_id']}/runs", json={"agent_id": "general", "message_id": question}
    )
    last = await ended(user, again.json()["id"])
    for each, answer in ((run, "left"), (forked, "right"), (last, "straight on")):
        path = await user.get(messages, params={"order": "asc", "branch": each["message_id"]})
        assert [message["content"] for message in path.json()["data"]] == ["a fork in the road", answer]

    unknown = await user.post(f"/v1/runs/{run['id']}/fork", json={"step_id": "step_x"})
    assert (unknown.status_code, unknown.json()["code"]) == (409, "unknown_step")
    nowhere = await user.get(messages, params={"branch": question.replace("0", "1")})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "message_not_found")


async def test_waiting_for_a_cancel_tells_the_truth(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("wait for my end"), Replies.text("a", "b").held(asyncio.Event(), after=1))
    run = await start_run(user, "wait for my end")
    await model.requested(says("wait for my end"))
    hasty = await user.post(f"/v1/runs/{run['id']}/cancel", params={"wait": 0})
    assert hasty.status_code == 202
    patient = await user.post(f"/v1/runs/{run['id']}/cancel", params={"wait": 5})
    assert (patient.status_code, patient.json()["status"]) == (200, "cancelled")
    refused = await user.post(f"/v1/runs/{run['id']}/cancel", params={"wait": 61})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "wait")


async def test_all_runs_of_a_caller_are_listed(
    model: ScriptedModel, user: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    model.always(says("list me"), Replies.text("ok"))
    runs = [await ended(user, (await start_run(user, "list me"))["id"]) for _ in range(2)]
    listed = (await user.get("/v1/runs", params={"limit": 2})).json()
    assert (listed["data"], listed["has_more"]) == (runs[::-1], True)
    following = (await user.get("/v1/runs", params={"limit": 1, "after": runs[1]["id"]})).json()
    assert following["data"] == [runs[0]]
    none = await user.get("/v1/runs", params={"status": ["queued", "requires_action"]})
    assert none.json()["data"] == []
    completed = (await user.get("/v1/runs", params={"status": "completed", "limit": 100})).json()["data"]
    assert {run["status"] for run in completed} == {"completed"}
    assert runs[0]["id"] not in {run["id"] for run in (await other.get("/v1/runs")).json()["data"]}
    assert (await user.get("/v1/runs", params={"status": "gone"})).status_code == 422


@pytest.mark.parametrize("content", ["", " \n\t"])
async def test_an_empty_message_is_refused(user: httpx.AsyncClient, content: str) -> None:
    conversation = (await user.post("/v1/conversations")).json()["id"]
    answer = await user.post(f"/v1/conversations/{conversation}/messages", json={"content": content})
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_message")
    assert answer.json()["errors"][0]["pointer"] == "/content"
