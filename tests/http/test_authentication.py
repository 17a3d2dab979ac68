"""Who gets in, who does not, and who owns what."""

import httpx
import pytest

from tests.http.serving import Json, Served, converse, start_run
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = {"/", "/healthz", "/readyz", "/docs", "/openapi.json"}


@pytest.mark.parametrize("path", sorted(OPEN))
async def test_open_paths_need_none(nobody: httpx.AsyncClient, path: str) -> None:
    assert (await nobody.get(path, follow_redirects=True)).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic YTpi", "admin-key-for-tests", "Bearer é"])
async def test_a_wrong_key_is_told_how_to_send_a_right_one(nobody: httpx.AsyncClient, header: str) -> None:
    answer = await nobody.get("/v1/agents", headers={b"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="open-agent"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] in {"no_api_key", "wrong_api_key"}


async def test_the_scheme_is_read_in_any_case(served: Served, nobody: httpx.AsyncClient) -> None:
    key = served.settings.api_keys[1].key.get_secret_value()
    assert (await nobody.get("/v1/agents", headers={"Authorization": f"bearer {key}"})).status_code == 200


async def test_unknown_paths_are_not_told_apart_without_a_key(nobody: httpx.AsyncClient) -> None:
    assert (await nobody.get("/v1/nothing")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/v1/agents", {"id": "mole", "name": "M", "description": "d", "system_prompt": "s"}, "admin_only"),
        ("PATCH", "/v1/agents/general", {"name": "Mine"}, "admin_only"),
        ("GET", "/v1/policies", None, "admin_only"),
        ("PUT", "/v1/policies", {"policies": {}}, "admin_only"),
        ("GET", "/v1/policies/versions", None, "admin_only"),
        ("GET", "/v1/audit", None, "admin_only"),
        ("POST", "/v1/tools/time__get_current_time/check", {"user": "ann"}, "admin_only"),
        # who may call a tool is for the policies to say; those that come with the product let admins
        ("POST", "/v1/tools/time__get_current_time/invoke", {"arguments": {"timezone": "UTC"}}, "denied_by_policy"),
    ],
)
async def test_a_users_key_does_not_do_an_admins_work(
    user: httpx.AsyncClient, method: str, path: str, body: Json | None, code: str
) -> None:
    answer = await user.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_another_owners_things_are_not_there(
    model: ScriptedModel, user: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    model.when(says("whisper something"), Replies.text("psst"))
    conversation = await converse(user, "mine alone")
    run = await start_run(user, "Whisper something.")
    for method, path in [
        ("GET", f"/v1/conversations/{conversation}"),
        ("DELETE", f"/v1/conversations/{conversation}"),
        ("GET", f"/v1/conversations/{conversation}/messages"),
        ("POST", f"/v1/conversations/{conversation}/messages"),
        ("GET", f"/v1/conversations/{conversation}/runs"),
        ("POST", f"/v1/conversations/{conversation}/runs"),
        ("GET", f"/v1/runs/{run['id']}"),
        ("GET", f"/v1/runs/{run['id']}/steps"),
        ("GET", f"/v1/runs/{run['id']}/events"),
        ("POST", f"/v1/runs/{run['id']}/cancel"),
    ]:
        body = {"content": "x"} if path.endswith("messages") and method == "POST" else None
        answer = await other.request(method, path, json=body)
        assert (answer.status_code, method, path) == (404, method, path)
    listed = (await other.get("/v1/conversations")).json()["data"]
    assert conversation not in [each["id"] for each in listed]
