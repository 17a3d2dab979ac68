"""Policies over REST: looked at, set live, versioned, and never set over another's change unseen."""

from pathlib import Path

import httpx
import pytest

from tests.http.serving import ADMIN_KEY, Json, build_settings, open_served
from tests.support.scripted_model import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOCK = "/v1/tools/time__get_current_time"
ADMINS: Json = {"match": "*", "agents": ["-"], "roles": ["admin"], "verdict": "allow"}


async def put(admin: httpx.AsyncClient, *rules: Json, **more: object) -> httpx.Response:
    return await admin.put("/v1/policies", json={"policies": {"rules": [ADMINS, *rules]}, **more})


@pytest.mark.slow
async def test_policies_are_live_at_once_versioned_and_survive_a_restart(model: ScriptedModel, tmp_path: Path) -> None:
    settings = build_settings(tmp_path, model.base_url)
    closed = {"match": "time__*", "users": ["an*"], "verdict": "deny", "reason": "the clock is at the mender's"}
    asked = {"arguments": {"timezone": "UTC"}}
    async with open_served(settings) as served, served.client(ADMIN_KEY) as admin:
        first = await admin.get("/v1/policies")
        assert (first.json()["version"], first.json()["source"], first.headers["ETag"]) == (0, "file", '"0"')
        assert (await admin.post(f"{CLOCK}/check", json=asked)).json()["verdict"] == "allow"
        second = await put(admin, closed, version=0)
        assert (second.status_code, second.json()["version"], second.headers["ETag"]) == (200, 1, '"1"')
        assert (await admin.post(f"{CLOCK}/check", json=asked)).json()["reason"] == closed["reason"]
        refused = await admin.post(f"{CLOCK}/invoke", json=asked)
        assert (refused.status_code, refused.json()["code"]) == (403, "denied_by_policy")
        late = await put(admin, version=0)
        assert (late.status_code, late.json()["code"]) == (409, "policy_changed")
        tagged = await admin.put("/v1/policies", json={"policies": {}}, headers={"If-Match": '"0"'})
        assert tagged.status_code == 409
    async with open_served(settings) as served, served.client(ADMIN_KEY) as admin:
        kept = (await admin.get("/v1/policies")).json()
        assert (kept["version"], kept["source"], kept["changed_by"]) == (1, "api", "ann")
        assert (await admin.post(f"{CLOCK}/check", json=asked)).json()["rule"] == "rules[1] (time__*)"
        assert (await put(admin, version=1)).json()["version"] == 2
        versions = (await admin.get("/v1/policies/versions")).json()
        assert [each["version"] for each in versions["data"]] == [2, 1]
        older = (await admin.get("/v1/policies/versions", params={"after": "2"})).json()
        assert [each["policies"] for each in older["data"]] == [kept["policies"]]


@pytest.mark.parametrize(
    ("policies", "pointer"),
    [
        ({"rules": [{"match": "*", "verdict": "perhaps"}]}, "/policies/rules/0/verdict"),
        ({"rules": [{"match": "*", "verdict": "deny", "moon": 1}]}, "/policies/rules/0/moon"),
        ({"tools": {"time__*": {"rate": "many"}}}, "/policies/tools/time__*/rate"),
        ({"rates": {"users": {"*": "0/minute"}}}, "/policies/rates/users/*"),
        ({"rules": [{"match": "mail__[a", "verdict": "deny"}]}, "/policies/rules/0/match"),
        ({"tools": {"time__[": {}}}, "/policies/tools/time__["),
    ],
)
async def test_mistakes_are_pointed_at_and_change_nothing(
    admin: httpx.AsyncClient, policies: Json, pointer: str
) -> None:
    before = (await admin.get("/v1/policies")).json()
    answer = await admin.put("/v1/policies", json={"policies": policies})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [flaw["pointer"] for flaw in answer.json()["errors"]] == [pointer]
    assert (await admin.get("/v1/policies")).json() == before


async def test_a_check_says_what_would_be_and_does_nothing(user: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    noted = {"agent": "tool-agent", "tool": "time__get_current_time"}
    before = (await admin.get("/v1/audit", params=noted)).json()
    body: Json = {"agent": "tool-agent", "arguments": {"timezone": 7}}
    checked = (await user.post(f"{CLOCK}/check", json=body)).json()
    assert checked == {
        "tool": "time__get_current_time",
        "agent": "tool-agent",
        "user": "uma",
        "role": "user",
        "verdict": "allow",
        "rule": checked["rule"],
        "reason": "",
        "passed_over": [],
        "arguments_error": "at /timezone: 7 is not of type 'string'",
        "rates": [],
    }
    for_uma = {"user": "uma", "role": "user", "arguments": {"timezone": "UTC"}}
    refused = (await admin.post(f"{CLOCK}/check", json=for_uma)).json()
    assert refused["rule"] == "default"
    # An admin is told which rules came near, and what kept each of them away.
    assert [(over["verdict"], over["unmet"]) for over in refused["passed_over"]] == [
        ("allow", "agents"),
        ("allow", "roles"),
    ]
    assert (await user.post("/v1/tools/time__travel/check", json={})).json()["code"] == "unknown_tool"
    entries = (await admin.get("/v1/audit", params=noted)).json()
    assert entries["data"] == before["data"]
