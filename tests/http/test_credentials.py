"""Servers that want a credential of each user: whose header goes where, over REST, the gateway and runs."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
import yaml
from mcp import McpError
from pydantic import AnyUrl

from tests.gateway.peer import code, open_peer, words
from tests.http.serving import (
    ADMIN_KEY,
    OTHER_KEY,
    USER_KEY,
    Json,
    Served,
    build_settings,
    ended,
    open_served,
    start_run,
)
from tests.support.desk import LISTING, Upstream, build_entry, open_upstream
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
WANTED = "/v1/credentials/DESK_TOKEN"


@dataclass(frozen=True)
class Office:
    served: Served
    upstream: Upstream
    uma: httpx.AsyncClient
    otto: httpx.AsyncClient
    admin: httpx.AsyncClient


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    (folder / "policies.yaml").write_text(yaml.safe_dump({"rules": [{"match": "*", "verdict": "allow"}]}))
    async with open_upstream() as upstream:
        given = {"mcp_servers": json.dumps({"mcpServers": {"desk": build_entry(upstream)}})}
        settings = build_settings(folder, model.base_url, tool_policies_file=folder / "policies.yaml", **given)
        async with (
            open_served(settings) as served,
            served.client(USER_KEY) as uma,
            served.client(OTHER_KEY) as otto,
            served.client(ADMIN_KEY) as admin,
        ):
            yield Office(served, upstream, uma, otto, admin)


async def store(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.put(WANTED, json={"value": value})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (204, "no-store"), answer.text


async def invoke(client: httpx.AsyncClient, tool: str = "desk__whoami") -> Json:
    answer: Json = (await client.post(f"/v1/tools/{tool}/invoke", json={"arguments": {}})).json()
    return answer


async def test_each_owner_has_a_session_of_their_own_with_their_own_header(office: Office) -> None:
    await store(office.uma, "umas-first-token")
    await store(office.otto, "ottos-own-token")
    calls = [(await invoke(client))["result"] for client in (office.uma, office.otto, office.uma)]
    assert calls == ["desk", "desk", "desk"]
    umas, ottos = office.upstream.sessions("umas-first-token"), office.upstream.sessions("ottos-own-token")
    assert (len(umas), len(ottos)) == (1, 1)
    assert not umas & ottos
    house = office.upstream.sessions(LISTING.removeprefix("Bearer "))
    assert house
    assert not house & (umas | ottos)
    everything = str(office.upstream.seen)
    assert not [key for key in (USER_KEY, OTHER_KEY, ADMIN_KEY) if key in everything]


async def test_who_has_stored_none_is_told_what_to_put_where(office: Office) -> None:
    before = len(office.upstream.seen)
    answer = await invoke(office.admin)
    assert (answer["status"], answer["error"]["code"]) == ("error", "credential_missing")
    assert "PUT /v1/credentials/DESK_TOKEN" in answer["error"]["detail"]
    assert len(office.upstream.seen) == before


async def test_a_new_one_is_used_at_once_and_a_deleted_one_never_again(office: Office) -> None:
    await store(office.uma, "umas-second-token")
    assert (await invoke(office.uma))["status"] == "ok"
    await store(office.uma, "umas-third-token")
    assert (await invoke(office.uma))["status"] == "ok"
    assert office.upstream.sessions("umas-second-token").isdisjoint(office.upstream.sessions("umas-third-token"))
    assert (await office.uma.delete(WANTED)).status_code == 204
    assert (await invoke(office.uma))["error"]["code"] == "credential_missing"
    again = await office.uma.delete(WANTED)
    assert (again.status_code, again.json()["code"]) == (404, "credential_not_found")


async def test_one_that_the_server_refuses_is_its_owners_trouble_alone(office: Office) -> None:
    office.upstream.refused.add("Bearer umas-wrong-token")
    await store(office.otto, "ottos-own-token")
    await store(office.uma, "umas-wrong-token")
    refused = await invoke(office.uma)
    assert refused["error"]["code"] == "credential_refused"
    assert "PUT /v1/credentials/DESK_TOKEN" in refused["error"]["detail"]
    assert (await invoke(office.otto))["status"] == "ok"
    await store(office.uma, "umas-right-token")
    assert (await invoke(office.uma))["status"] == "ok"


async def test_it_is_listed_by_name_and_found_nowhere_else(office: Office) -> None:
    await store(office.uma, "umas-canary-token")
    listed = await office.uma.get("/v1/credentials")
    assert listed.headers["Cache-Control"] == "no-store"
    [one] = listed.json()["data"]
    assert (one["name"], one["servers"], one["updated_at"] is not None) == ("DESK_TOKEN", ["desk"], True)
    [admins] = (await office.admin.get("/v1/credentials")).json()["data"]
    assert admins["updated_at"] is None
    assert (await office.admin.delete(WANTED)).status_code == 404
    leaked = await invoke(office.uma, "desk__leak")
    assert leaked["status"] == "ok"
    assert "umas-canary-token" not in str(leaked)
    audit = (await office.admin.get("/v1/audit", params={"action": "credential.set", "principal": "uma"})).json()
    assert audit["data"][0]["target"] == "DESK_TOKEN"
    folder = office.served.settings.data_dir
    assert not [file for file in folder.rglob("*") if file.is_file() and b"umas-canary-token" in file.read_bytes()]
    assert (folder / "credentials.key").stat().st_mode & 0o777 == 0o600


async def test_what_no_server_wants_and_what_is_no_header_is_not_taken(office: Office) -> None:
    unwanted = await office.uma.put("/v1/credentials/OTHER", json={"value": "x"})
    assert (unwanted.status_code, unwanted.json()["code"]) == (404, "credential_not_wanted")
    for value in ("", "two\r\nlines", " at the ends ", "ünlauter", "x" * 8193):
        answer = await office.uma.put(WANTED, json={"value": value})
        assert answer.status_code == 422, value
        assert len(value) < 2 or value not in answer.text


async def test_it_is_the_same_at_the_gateway_and_in_runs(office: Office, model: ScriptedModel) -> None:
    await store(office.uma, "umas-fourth-token")
    async with open_peer(office.served, USER_KEY) as peer:
        assert words(await peer.call("desk__whoami")) == "desk"
        read = str(await peer.session.read_resource(AnyUrl("desk://at/home")))
        assert "you sent" in read
        assert LISTING not in read  # it was read over the session of who asked
        assert "umas-fourth-token" not in read
        with pytest.raises(McpError, match="each user"):
            await peer.session.subscribe_resource(AnyUrl("desk://at/home"))
    async with open_peer(office.served, ADMIN_KEY) as peer:
        assert code(await peer.call("desk__whoami")) == "credential_missing"
    agent = {"id": "clerk", "name": "C", "description": "d", "system_prompt": "p", "allowed_tools": ["desk__*"]}
    (await office.admin.post("/v1/agents", json=agent)).raise_for_status()
    model.when(says("who am i at the desk"), Replies.tool("desk__whoami", {}), Replies.text("You."))
    run = await start_run(office.uma, "who am i at the desk", "clerk")
    assert (await ended(office.uma, run["id"]))["status"] == "completed"
    assert len(office.upstream.sessions("umas-fourth-token")) == 1
