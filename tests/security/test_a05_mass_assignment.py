"""A05. What a client may not set: a body that sets it is refused, not silently obeyed or ignored."""

import pytest

from tests.http.serving import Json, converse
from tests.security.house import House
from tests.security.routes import all_routes

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

INTRUDERS: Json = {
    "owner": "ann",
    "owner_id": "ann",
    "status": "completed",
    "is_admin": True,
    "tools": ["house__send"],
    "command": "sh",
}
AS_OTHERS_IGNORE_THEM = "/v1/chat/completions"
"""OpenAI's clients send whatever they like: what is unknown there means nothing."""


async def test_every_body_refuses_what_it_does_not_know(house: House) -> None:
    routes = [route for route in await all_routes(house.admin) if route.body is not None]
    for route in routes:
        if route.path == AS_OTHERS_IGNORE_THEM:
            continue
        for name, value in INTRUDERS.items():
            body = {**(route.body or {}), name: value}
            answer = await house.admin.request(route.method, route.example, json=body)
            refused = answer.status_code in (404, 422)  # what is not there is told first
            assert refused, (route.method, route.path, name, answer.text)


async def test_owner_and_status_stay_what_they_are(house: House) -> None:
    conversation = await converse(house.user, "mine")
    for body in ({"owner": "otto"}, {"status": "completed"}, {"agent_id": "general", "tools": ["house__send"]}):
        answer = await house.user.post(f"/v1/conversations/{conversation}/runs", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await house.user.get(f"/v1/conversations/{conversation}/runs")).json()["data"] == []
    assert (await house.other.get(f"/v1/conversations/{conversation}")).status_code == 404
