"""The audit over REST: every call is in it, also those that were refused; admins read it by what they look for."""

import httpx
import pytest

from tests.http.serving import Json

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def audit(admin: httpx.AsyncClient, **query: str | int) -> list[Json]:
    answer = await admin.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


async def test_each_call_is_in_the_audit_once_with_who_what_rule_and_outcome(
    admin: httpx.AsyncClient, user: httpx.AsyncClient
) -> None:
    path = "/v1/tools/calculator__calculate/invoke"
    body = {"arguments": {"expression": "11*11"}}
    before = await audit(admin, limit=1)
    made = await admin.post(path, json=body, headers={"X-Request-Id": "req-audited"})
    assert (await user.post(path, json=body)).status_code == 403
    assert (await admin.post(path, json={"arguments": {}})).status_code == 422
    entries = await audit(
        admin, tool="calculator__calculate", order="asc", **({"after": before[0]["id"]} if before else {})
    )
    assert [(entry["principal"], entry["role"], entry["outcome"]) for entry in entries] == [
        ("ann", "admin", "ok"),
        ("uma", "user", "denied"),
        ("ann", "admin", "error"),
    ]
    assert entries[0] == {
        "id": entries[0]["id"],
        "at": entries[0]["at"],
        "principal": "ann",
        "role": "admin",
        "agent": None,
        "action": "tool.call",
        "target": "calculator__calculate",
        "rule": entries[0]["rule"],
        "outcome": "ok",
        "run_id": None,
        "request_id": "req-audited",
        "detail": {"call_id": made.json()["id"]},
    }
    assert entries[0]["rule"].endswith("(*)")
    assert entries[1]["rule"] == "default"
    assert entries[2]["detail"]["code"] == "invalid_arguments"


async def test_changes_of_agents_and_policies_are_in_the_audit(admin: httpx.AsyncClient) -> None:
    spec = {"id": "audited", "name": "A", "description": "d", "system_prompt": "s"}
    assert (await admin.post("/v1/agents", json=spec)).status_code == 201
    assert (await admin.patch("/v1/agents/audited", json={"enabled": False})).status_code == 200
    policies = (await admin.get("/v1/policies")).json()["policies"]
    assert (await admin.put("/v1/policies", json={"policies": policies})).status_code == 200
    entries = await audit(admin, principal="ann", limit=3)
    assert [(entry["action"], entry["target"]) for entry in entries[1:]] == [
        ("agent.update", "audited"),
        ("agent.create", "audited"),
    ]
    assert (entries[0]["action"], entries[0]["detail"]) == ("policy.replace", {})


async def test_the_audit_is_read_by_time_and_page_by_page(admin: httpx.AsyncClient) -> None:
    for _ in range(3):
        await admin.post("/v1/tools/nowhere__nothing/invoke", json={"arguments": {}})
    newest = await audit(admin, tool="nowhere__nothing", limit=2)
    assert [entry["detail"]["code"] for entry in newest] == ["unknown_tool"] * 2
    older = await audit(admin, tool="nowhere__nothing", after=newest[-1]["id"])
    assert len(older) >= 1
    assert await audit(admin, tool="nowhere__nothing", until=older[-1]["at"]) == []
    since = await audit(admin, tool="nowhere__nothing", since=newest[-1]["at"])
    assert since[:2] == newest
    assert (await admin.get("/v1/audit", params={"since": "yesterday"})).json()["code"] == "invalid_request"
