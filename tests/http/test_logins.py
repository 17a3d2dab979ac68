"""Logging in to remote servers: the browser's way there and back, whose login is used for whom, and what ends it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
import yaml

from server.gateway_app import build_gateway_app
from tests.cli.terminal import open_command, surroundings
from tests.gateway.peer import open_peer, words
from tests.http.serving import ADMIN_KEY, OTHER_KEY, USER_KEY, Json, Served, build_settings, open_app, open_served
from tests.support.login_server import LoginServer, open_login_server
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
SHARED, OWN = "/v1/mcp/servers/desk", "/v1/mcp/servers/private"


@dataclass(frozen=True)
class Office:
    served: Served
    desk: LoginServer
    uma: httpx.AsyncClient
    otto: httpx.AsyncClient
    admin: httpx.AsyncClient
    browser: httpx.AsyncClient
    """Of a person: it has no key."""

    async def agree(self, client: httpx.AsyncClient, server: str, person: str, **body: object) -> httpx.Response:
        """Logs in as the person does, and returns the page that they see in the end."""
        return await self.browser.get(await self.come_back(client, server, person, **body))

    async def come_back(self, client: httpx.AsyncClient, server: str, person: str, **body: object) -> str:
        """Returns where the person's browser is sent once they have agreed."""
        begun = await client.post(f"{server}/login", json=body)
        assert begun.status_code == 200, begun.text
        self.desk.notary.person = person
        agreed = await self.browser.get(begun.json()["authorization_url"])
        back = urlsplit(agreed.headers["location"])
        assert (back.scheme, back.netloc) == ("http", "127.0.0.1:4321")
        return f"{self.served.url}{back.path}?{back.query}"

    async def until(self, server: str, state: str) -> Json:
        found: Json = {}

        async def there() -> bool:
            found.update((await self.admin.get(server)).json())
            return bool(found["state"] == state)

        await until(there)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("logins")
    (folder / "policies.yaml").write_text(yaml.safe_dump({"rules": [{"match": "*", "verdict": "allow"}]}))
    async with open_login_server() as desk:
        entries: Json = {
            "desk": {"url": desk.url},
            "keyed": {"url": desk.url, "headers": {"Authorization": "Bearer of-the-entry"}},
            "private": {"url": desk.url, "x-open-agent": {"auth": {"per_user": True}}},
        }
        given = {"mcp_servers": json.dumps({"mcpServers": entries}), "public_url": "http://127.0.0.1:4321"}
        settings = build_settings(folder, "http://127.0.0.1:9/v1", tool_policies_file=folder / "policies.yaml", **given)
        async with (
            open_served(settings) as served,
            served.client(USER_KEY) as uma,
            served.client(OTHER_KEY) as otto,
            served.client(ADMIN_KEY) as admin,
            served.client(None) as browser,
        ):
            office = Office(served, desk, uma, otto, admin, browser)
            assert (await office.agree(admin, OWN, "the house", shared=True)).status_code == 200
            await office.until(OWN, "ready")
            yield office


async def invoke(client: httpx.AsyncClient, tool: str) -> Json:
    answer: Json = (await client.post(f"/v1/tools/{tool}/invoke", json={"arguments": {}})).json()
    return answer


async def test_a_server_that_wants_a_login_says_how_and_is_there_once_an_admin_has_logged_in(office: Office) -> None:
    await office.admin.delete(f"{SHARED}/login")
    before = await office.until(SHARED, "auth_required")
    assert before["login"]["state"] == "none"
    assert "open-agent tools login desk" in before["detail"]
    assert "POST /v1/mcp/servers/desk/login" in before["login"]["detail"]
    page = await office.agree(office.admin, SHARED, "pat")
    assert (page.status_code, "Logged in" in page.text) == (200, True), page.text
    after = await office.until(SHARED, "ready")
    assert (after["login"]["state"], after["tools"]) == ("logged_in", 3)
    assert (await invoke(office.uma, "desk__whoami"))["result"] == "pat"
    audit = (await office.admin.get("/v1/audit", params={"action": "server.login"})).json()["data"]
    assert ("ann", "desk") in [(entry["principal"], entry["target"]) for entry in audit]


async def test_what_users_share_is_an_admins_to_log_in_to(office: Office) -> None:
    for request in (office.uma.post(f"{SHARED}/login"), office.uma.delete(f"{SHARED}/login")):
        answer = await request
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_only")
    own = await office.uma.post(f"{OWN}/login", json={"shared": True})
    assert (own.status_code, own.json()["code"]) == (403, "admin_only")
    keyed = await office.admin.post("/v1/mcp/servers/keyed/login")
    assert (keyed.status_code, keyed.json()["code"]) == (409, "login_not_possible")
    unknown = await office.admin.post("/v1/mcp/servers/nowhere/login")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_server")


async def test_an_answer_is_taken_once_and_only_for_the_attempt_it_was_made_for(office: Office) -> None:
    back = await office.come_back(office.uma, OWN, "umas account")
    state = parse_qs(urlsplit(back).query)["state"][0]
    for wrong in ("", "?state=x&code=y", f"?state={state[:-1]}&code=stolen"):
        page = await office.browser.get(f"/v1/oauth/callback{wrong}")
        assert (page.status_code, "This login is over" in page.text) == (400, True)
    assert (await office.browser.get(back)).status_code == 200
    again = await office.browser.get(back)
    assert (again.status_code, "This login is over" in again.text) == (400, True)
    first = await office.come_back(office.uma, OWN, "umas account")
    second = await office.come_back(office.uma, OWN, "umas account")
    assert (await office.browser.get(first)).status_code == 400
    assert (await office.browser.get(second)).status_code == 200
    assert second not in again.text
    assert again.headers["Referrer-Policy"] == "no-referrer"


async def test_a_code_that_is_too_old_and_a_person_who_refuses_end_without_a_login(office: Office) -> None:
    await office.otto.delete(f"{OWN}/login")
    office.desk.notary.code_seconds = -1
    page = await office.agree(office.otto, OWN, "ottos account")
    office.desk.notary.code_seconds = 60
    assert (page.status_code, "Not logged in" in page.text) == (400, True)
    failed = (await office.otto.get(OWN)).json()["login"]
    assert failed["state"] == "failed"
    assert "invalid_grant" in failed["detail"]
    back = parse_qs(urlsplit(await office.come_back(office.otto, OWN, "ottos account")).query)
    refused = await office.browser.get(
        "/v1/oauth/callback",
        params={"state": back["state"][0], "error": "access_denied", "error_description": "<script>no</script>"},
    )
    assert refused.status_code == 400
    assert "access_denied: &lt;script&gt;" in refused.text


async def test_an_answer_of_another_authorization_server_is_not_taken(office: Office) -> None:
    back = await office.come_back(office.otto, OWN, "ottos account")
    page = await office.browser.get(f"{back}&iss=https://elsewhere.example")
    assert (page.status_code, "another authorization server" in page.text) == (400, True)


async def test_each_user_is_known_by_their_own_login_and_by_no_other(office: Office) -> None:
    await office.otto.delete(f"{OWN}/login")
    assert (await office.agree(office.uma, OWN, "umas account")).status_code == 200
    assert (await invoke(office.uma, "private__whoami"))["result"] == "umas account"
    missing = await invoke(office.otto, "private__whoami")
    assert missing["error"]["code"] == "credential_missing"
    assert "open-agent tools login private" in missing["error"]["detail"]
    assert (await office.agree(office.otto, OWN, "ottos account")).status_code == 200
    people = [(await invoke(client, "private__whoami"))["result"] for client in (office.otto, office.uma, office.otto)]
    assert people == ["ottos account", "umas account", "ottos account"]
    assert (await office.uma.delete(f"{OWN}/login")).status_code == 204
    assert (await invoke(office.uma, "private__whoami"))["error"]["code"] == "credential_missing"
    assert (await invoke(office.otto, "private__whoami"))["result"] == "ottos account"
    gone = await office.uma.delete(f"{OWN}/login")
    assert (gone.status_code, gone.json()["code"]) == (404, "no_login")


async def test_tokens_are_renewed_by_themselves_and_found_nowhere(office: Office) -> None:
    await office.agree(office.admin, SHARED, "pat")
    await office.until(SHARED, "ready")
    office.desk.notary.access.clear()  # as when their time is up
    assert (await invoke(office.uma, "desk__whoami"))["result"] == "pat"
    leaked = await invoke(office.uma, "desk__leak")
    assert leaked["status"] == "ok"
    await office.agree(office.uma, OWN, "umas account")
    own = await invoke(office.uma, "private__leak")
    assert own["status"] == "ok"
    issued = office.desk.notary.issued
    assert issued
    servers = (await office.admin.get("/v1/mcp/servers")).text
    seen = f"{leaked} {own} {servers} {(await office.admin.get('/v1/info')).text}"
    assert not [token for token in issued if token in seen]
    files = [file for file in office.served.settings.data_dir.rglob("*") if file.is_file()]
    assert not [file for file in files for token in issued if token.encode() in file.read_bytes()]


async def test_a_call_that_needs_more_says_so_and_the_next_login_asks_for_it(office: Office) -> None:
    await office.agree(office.admin, SHARED, "pat")
    await office.until(SHARED, "ready")
    refused = await invoke(office.uma, "desk__change")
    assert refused["status"] == "error"
    assert "needs a login that allows more (desk:change)" in refused["error"]["detail"]
    assert (await invoke(office.uma, "desk__whoami"))["result"] == "pat"
    assert "does not allow desk:change" in (await office.admin.get(SHARED)).json()["login"]["detail"]
    await office.agree(office.admin, SHARED, "pat")
    assert (await office.until(SHARED, "ready"))["login"] == {"state": "logged_in", "per_user": False, "detail": ""}
    assert (await invoke(office.uma, "desk__change"))["result"] == "changed"


async def test_what_was_revoked_wants_a_login_again_and_is_back_after_one(office: Office) -> None:
    await office.agree(office.admin, SHARED, "pat")
    await office.agree(office.uma, OWN, "umas account")
    await office.until(SHARED, "ready")
    assert (await invoke(office.uma, "private__whoami"))["result"] == "umas account"
    office.desk.notary.revoke_all()
    refused = await invoke(office.uma, "private__whoami")
    assert refused["error"]["code"] in ("credential_refused", "server_lost")
    assert "open-agent tools login private" in refused["error"]["detail"]
    assert (await invoke(office.uma, "desk__whoami"))["status"] != "ok"
    after = await office.until(SHARED, "auth_required")
    assert (after["login"]["state"], after["tools"]) == ("none", 0)
    await office.agree(office.admin, SHARED, "robin")
    await office.until(SHARED, "ready")
    assert (await invoke(office.uma, "desk__whoami"))["result"] == "robin"
    await office.agree(office.uma, OWN, "umas account")
    assert (await invoke(office.uma, "private__whoami"))["result"] == "umas account"


async def test_the_command_waits_until_a_person_has_agreed(office: Office) -> None:
    office.desk.notary.person = "casey"
    async with open_command("tools", "login", "desk", env=surroundings(office.served.url)) as command:
        assert command.stderr is not None
        while not (line := (await command.stderr.readline()).decode()).startswith("http"):
            assert line, "it ended without an address"
        back = urlsplit((await office.browser.get(line.strip())).headers["location"])
        await office.browser.get(f"{back.path}?{back.query}")
        printed, _ = await command.communicate()
    assert (command.returncode, printed) == (0, b"desk: logged in\n")
    await office.until(SHARED, "ready")
    assert (await invoke(office.uma, "desk__whoami"))["result"] == "casey"


async def test_the_gateway_alone_is_logged_in_also_after_a_restart(office: Office, tmp_path: Path) -> None:
    given = {"mcp_servers": json.dumps({"mcpServers": {"desk": {"url": office.desk.url}}})}
    settings = build_settings(tmp_path, "http://127.0.0.1:9/v1", **given)
    public = build_settings(tmp_path, "http://127.0.0.1:9/v1", public_url="https://agent.example.com/", **given)
    office.desk.notary.person = "gale"
    async with open_app(build_gateway_app(settings), settings) as alone, alone.client(ADMIN_KEY) as admin:
        agree = (await admin.post(f"{SHARED}/login")).json()["authorization_url"]
        back = urlsplit((await office.browser.get(agree)).headers["location"])
        assert (await admin.get(f"{back.path}?{back.query}")).status_code == 200
        assert (await admin.get("/v1/oauth/client.json")).json()["code"] == "not_public"
    async with open_app(build_gateway_app(public), public) as again, again.client(ADMIN_KEY) as admin:
        assert (await admin.get(SHARED)).json()["login"]["state"] == "logged_in"
        async with open_peer(again, ADMIN_KEY) as peer:
            assert words(await peer.call("desk__whoami")) == "gale"
        described = (await office.browser.get(f"{again.url}/v1/oauth/client.json")).json()
        assert described["client_id"] == "https://agent.example.com/v1/oauth/client.json"
        assert described["redirect_uris"] == ["https://agent.example.com/v1/oauth/callback"]
