"""A04. Another owner's id is not there: on every route that takes one, in bodies, filters, streams and sockets."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
import pytest_asyncio
from websockets import connect
from websockets.exceptions import ConnectionClosed

from tests.http.serving import OTHER_KEY, Json, converse, ended, start_run
from tests.security.house import House, open_house
from tests.security.routes import Route, all_routes
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

EVERYONES: Final = {"agent_id", "name", "version"}
"""Agents, tools and models belong to the house."""
ADMINS: Final = {"token_id"}
SOCKETS: Final = "/v1/runs/{run_id}/ws"
"""Not in the description, which knows no WebSockets."""


@dataclass(frozen=True)
class Estate:
    """What Uma owns: something of every kind that has an id."""

    house: House
    ids: dict[str, str]
    message_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def estate(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Estate]:
    async with open_house(model, tmp_path_factory.mktemp("estate")) as house:
        rules = [{"match": "house__send", "verdict": "ask"}, {"match": "*", "verdict": "allow"}]
        await house.govern(rules=rules, tools={"house__vault": {"max_result": 10}})
        await house.hire("steward", "house__*", "memory__*")
        uma = house.user
        model.when(has_result("Remembered as mem_"), Replies.text("Kept."))
        model.when(says("umas wish"), Replies.tool("memory__remember", {"text": "Uma likes tea."}))
        await ended(uma, (await start_run(uma, "umas wish", "steward"))["id"])
        model.when(has_result("kept whole as artifact"), Replies.tool("house__send", {"to": "x", "text": "y"}))
        model.when(says("umas letter"), Replies.tool("house__vault", {}))
        conversation = await converse(uma, "umas letter")
        asked = await uma.post(f"/v1/conversations/{conversation}/runs", json={"agent_id": "steward"})
        run_id = asked.json()["id"]

        async def waits() -> bool:
            standing: str = (await uma.get(f"/v1/runs/{run_id}")).json()["status"]
            return standing == "requires_action"

        await until(waits)
        ids = {
            "conversation_id": conversation,
            "run_id": run_id,
            "approval_id": await first_of(uma, "/v1/approvals"),
            "artifact_id": await first_of(uma, f"/v1/runs/{run_id}/artifacts"),
            "memory_id": await first_of(uma, "/v1/memories"),
        }
        yield Estate(house, ids, await first_of(uma, f"/v1/conversations/{conversation}/messages"))
        await uma.post(f"/v1/runs/{run_id}/cancel")


async def first_of(client: httpx.AsyncClient, path: str) -> str:
    found: str = (await client.get(path)).raise_for_status().json()["data"][0]["id"]
    return found


async def owned_routes(estate: Estate) -> list[Route]:
    routes = await all_routes(estate.house.admin)
    return [route for route in routes if set(route.names) - EVERYONES - ADMINS]


async def everything(estate: Estate) -> list[object]:
    """Returns all that its owner sees: what must be the same whatever others have tried."""
    reads = [route for route in await owned_routes(estate) if route.method == "GET" and "events" not in route.path]
    answers = [await estate.house.user.get(route.filled(**estate.ids)) for route in reads]
    assert [answer.status_code for answer in answers] == [200] * len(reads)
    return [answer.content for answer in answers]


async def test_every_id_of_another_owner_is_not_there_and_nothing_changes(estate: Estate) -> None:
    routes = await owned_routes(estate)
    assert {name for route in routes for name in route.names} == set(estate.ids)
    assert len(routes) >= 18
    before = await everything(estate)
    for stranger in (estate.house.other, estate.house.admin):
        for route in routes:
            path = route.filled(**estate.ids)
            answer = await stranger.request(route.method, path, json=route.body)
            assert (answer.status_code, route.method, path) == (404, route.method, path), answer.text
            missing = await stranger.request(route.method, route.example, json=route.body)
            assert what_it_says(answer) == what_it_says(missing), path  # nobody can tell it from one that never was
    assert await everything(estate) == before


def what_it_says(answer: httpx.Response) -> Json:
    """Returns the problem without the ids, the request's and the one that was asked for."""
    told: Json = answer.json()
    detail = re.sub(r"[a-z]+_[0-9a-f-]{36}", "ID", told["detail"])
    return {**told, "detail": detail, "request_id": None}


async def test_ids_of_another_owner_in_bodies_and_filters_are_not_there(estate: Estate) -> None:
    other, ids = estate.house.other, estate.ids
    own = await converse(other, "ottos question")
    for method, path, body in [
        ("POST", f"/v1/conversations/{own}/messages", {"content": "x", "parent_id": estate.message_id}),
        ("POST", f"/v1/conversations/{own}/runs", {"message_id": estate.message_id}),
        ("GET", f"/v1/conversations/{own}/messages?branch={estate.message_id}", None),
    ]:
        answer = await other.request(method, path, json=body)
        assert answer.status_code in (404, 409, 422), (path, answer.text)
        assert "umas" not in answer.text
    for path in (
        "/v1/conversations",
        "/v1/runs",
        "/v1/runs?status=requires_action",
        "/v1/approvals",
        f"/v1/approvals?run_id={ids['run_id']}",
        f"/v1/runs?after={ids['run_id']}&order=asc",
        "/v1/memories",
    ):
        answer = await other.get(path)
        assert not [each for each in ids.values() if each in answer.text], path


async def test_another_owners_stream_and_socket_are_not_there(estate: Estate) -> None:
    for query in ("", "?after=0", "?until_waiting=true"):
        answer = await estate.house.other.get(f"/v1/runs/{estate.ids['run_id']}/events{query}")
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
    url = estate.house.served.url.replace("http", "ws", 1) + SOCKETS.format(**estate.ids)
    headers = {"Authorization": f"Bearer {OTHER_KEY}"}
    async with connect(url, additional_headers=headers, proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4404, "run_not_found")


async def test_a_service_sees_only_what_the_user_it_acts_for_owns(estate: Estate) -> None:
    house = estate.house
    made = (await house.admin.post("/v1/tokens", json={"name": "desk", "role": "service"})).json()
    path = f"/v1/conversations/{estate.ids['conversation_id']}"
    async with house.served.client(made["token"]) as desk:
        assert (await desk.get(path)).status_code == 404
        assert (await desk.get(path, headers={"X-Act-As": "uma"})).status_code == 200
        assert (await desk.get(path, headers={"X-Act-As": "otto"})).status_code == 404
        # it has a user's rights then, whoever that is
        assert (await desk.get("/v1/audit", headers={"X-Act-As": "ann"})).json()["code"] == "admin_only"
        anne = {b"X-Act-As": "änne".encode()}
        new = (await desk.post("/v1/conversations", headers=anne)).json()["id"]
        assert (await desk.get(f"/v1/conversations/{new}", headers=anne)).status_code == 200
        for name in ("", "open-agent", "x" * 201):
            refused = await desk.get(path, headers={"X-Act-As": name})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_header")
    for client in (house.other, house.admin):
        refused = await client.get(path, headers={"X-Act-As": "uma"})
        assert (refused.status_code, refused.json()["code"]) == (403, "service_only")
    entries = await house.audit(action="principal.act_as", principal="desk")
    assert {"uma", "otto", "ann", "änne"} == {entry["target"] for entry in entries}
    assert entries[0]["detail"] == {"request": f"GET /v1/conversations/{new}"}
