"""Agents over REST: read by everybody, changed by admins, live for the next run."""

import httpx
import pytest

from config.agents import AgentSpec
from tests.http.serving import Json, ended, start_run
from tests.support.scripted_model import Replies, ScriptedModel, prompted, says

pytestmark = pytest.mark.asyncio(loop_scope="session")


def spec(agent_id: str, **more: object) -> Json:
    return {
        "id": agent_id,
        "name": "Poet",
        "description": "Writes short poems.",
        "system_prompt": f"You are {agent_id}.",
        **more,
    }


async def test_the_configured_agents_are_listed_by_name(user: httpx.AsyncClient) -> None:
    listed = (await user.get("/v1/agents")).json()
    ids = [agent["id"] for agent in listed["data"]]
    assert ids == sorted(ids)
    assert {"router", "general", "tool-agent", "sql-agent", "devops-agent", "docs-agent"} <= set(ids)
    first = (await user.get("/v1/agents", params={"limit": 1})).json()
    assert (first["data"], first["has_more"], first["last_id"]) == (listed["data"][:1], True, ids[0])


async def test_an_agent_is_shown_as_it_is_configured(user: httpx.AsyncClient) -> None:
    agent = (await user.get("/v1/agents/tool-agent")).json()
    assert set(agent) == set(AgentSpec.model_fields)
    assert (agent["role"], agent["version"], agent["enabled"]) == ("specialist", 1, True)
    assert (await user.get("/v1/agents/nobody")).status_code == 404


async def test_a_new_agent_answers_the_next_run(model: ScriptedModel, admin: httpx.AsyncClient) -> None:
    made = await admin.post("/v1/agents", json=spec("poet-of-spring"))
    assert (made.status_code, made.headers["Location"]) == (201, "/v1/agents/poet-of-spring")
    model.when(prompted("you are poet-of-spring"), Replies.text("Blossom."))
    run = await ended(admin, (await start_run(admin, "A line, please.", "poet-of-spring"))["id"])
    assert run["status"] == "completed"


async def test_a_change_is_live_for_the_next_run(model: ScriptedModel, admin: httpx.AsyncClient) -> None:
    await admin.post("/v1/agents", json=spec("poet-of-autumn"))
    changed = await admin.patch("/v1/agents/poet-of-autumn", json={"system_prompt": "You are the poet of winter."})
    assert (changed.status_code, changed.json()["version"], changed.json()["name"]) == (200, 2, "Poet")
    model.when(prompted("poet of winter"), Replies.text("Snow."))
    run = await ended(admin, (await start_run(admin, "Another line, please.", "poet-of-autumn"))["id"])
    assert run["status"] == "completed"


async def test_a_disabled_agent_takes_no_run(model: ScriptedModel, admin: httpx.AsyncClient) -> None:
    model.when(says("anybody there"), Replies.text("no"))
    await admin.post("/v1/agents", json=spec("poet-of-rest"))
    await admin.patch("/v1/agents/poet-of-rest", json={"enabled": False})
    with pytest.raises(httpx.HTTPStatusError):
        await start_run(admin, "anybody there?", "poet-of-rest")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (spec("general"), 409, "agent_exists", None),
        (spec("Bad Name"), 422, "invalid_request", "/id"),
        (spec("synthesis"), 422, "invalid_request", ""),
        (spec("poet-x", role="router"), 422, "invalid_request", ""),
        (spec("poet-x", model="nobody-knows-this"), 422, "unknown_model", "/model"),
        (spec("poet-x", surprise=1), 422, "invalid_request", "/surprise"),
    ],
)
async def test_a_wrong_agent_is_refused(
    admin: httpx.AsyncClient, body: Json, status: int, code: str, pointer: str | None
) -> None:
    answer = await admin.post("/v1/agents", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert [flaw["pointer"] for flaw in problem.get("errors", [])] == ([] if pointer is None else [pointer])


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [({"id": "other"}, "/id"), ({"policies": {"limits": {"steps": 0}}}, "/policies/limits/steps"), ({"x": 1}, "/x")],
)
async def test_a_wrong_change_is_refused_and_nothing_is_changed(
    admin: httpx.AsyncClient, patch: Json, pointer: str
) -> None:
    before = (await admin.get("/v1/agents/docs-agent")).json()
    answer = await admin.patch("/v1/agents/docs-agent", json=patch)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await admin.get("/v1/agents/docs-agent")).json() == before
