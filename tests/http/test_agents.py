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
        (spec("poet-x", name="   "), 422, "invalid_request", "/name"),
        (spec("poet-x", system_prompt="\n"), 422, "invalid_request", "/system_prompt"),
        (spec("poet-x", model=["default", 5]), 422, "invalid_request", "/model/1"),
        (spec("poet-x", model=5), 422, "invalid_request", "/model"),
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


async def test_a_deleted_agent_vanishes_at_once_and_can_be_brought_back(
    user: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await admin.post("/v1/agents", json=spec("poet-of-night"))
    assert (await user.delete("/v1/agents/poet-of-night")).status_code == 403
    assert (await admin.delete("/v1/agents/poet-of-night")).status_code == 204
    assert (await admin.delete("/v1/agents/poet-of-night")).json()["code"] == "agent_not_found"
    models = [model["id"] for model in (await user.get("/v1/models")).json()["data"]]
    agents = (await user.get("/v1/agents", params={"limit": 100})).json()["data"]
    assert "poet-of-night" not in [*models, *(agent["id"] for agent in agents)]
    assert (await user.get("/v1/agents/poet-of-night")).status_code == 404

    back = await admin.post("/v1/agents/poet-of-night/rollback", json={"version": 1})
    assert (back.status_code, back.json()["version"], back.headers["ETag"]) == (200, 2, '"2"')
    listed = (await user.get("/v1/agents/poet-of-night/versions")).json()
    assert [each["version"] for each in listed["data"]] == [2, 1]
    assert (listed["first_id"], listed["last_id"]) == ("2", "1")
    first = (await user.get("/v1/agents/poet-of-night/versions/1")).json()
    assert first["agent"] == spec("poet-of-night") | first["agent"]
    assert first["deleted_at"] is not None


@pytest.mark.parametrize("path", ["nobody/versions", "general/versions/99", "general/versions/0", "general/versions/x"])
async def test_a_version_nobody_made_is_not_there(user: httpx.AsyncClient, path: str) -> None:
    assert (await user.get(f"/v1/agents/{path}")).status_code == 404


async def test_two_admins_cannot_overwrite_each_other_unseen(admin: httpx.AsyncClient) -> None:
    await admin.post("/v1/agents", json=spec("poet-of-noon"))
    seen = {"If-Match": (await admin.get("/v1/agents/poet-of-noon")).headers["ETag"]}
    first = await admin.patch("/v1/agents/poet-of-noon", json={"name": "One"}, headers=seen)
    second = await admin.patch("/v1/agents/poet-of-noon", json={"name": "Two"}, headers=seen)
    third = await admin.patch("/v1/agents/poet-of-noon", json={"name": "Three", "version": 1})
    fourth = await admin.delete("/v1/agents/poet-of-noon", headers=seen)
    assert [first.status_code, second.status_code, third.status_code, fourth.status_code] == [200, 409, 409, 409]
    assert {each.json()["code"] for each in (second, third, fourth)} == {"agent_changed"}
    wrong = await admin.patch("/v1/agents/poet-of-noon", json={}, headers={"If-Match": '"one"'})
    assert wrong.status_code == 422
    whole = (await admin.get("/v1/agents/poet-of-noon")).json()
    put_back = await admin.patch("/v1/agents/poet-of-noon", json=whole, headers={"If-Match": "*"})
    assert (put_back.status_code, put_back.json()["version"]) == (200, 3)
