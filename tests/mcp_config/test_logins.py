"""Logins below the API: what a kept one is good for, and what stands between it and the server."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from mcp_config.entries.login_terms import HOUSE, OAuth, Ourselves
from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import ServerRefused
from mcp_config.identity.login_attempt import LoginFailed
from mcp_config.identity.login_record import LoginRecord
from mcp_config.identity.logins import Logins
from mcp_config.identity.oauth import LoginStorage, build_new_login, find_registered
from mcp_config.upstream.proof import Proof

TOKENS = {"access_token": "access-of-the-house", "refresh_token": "refresh-of-the-house", "token_type": "Bearer"}
CLIENT = {"client_id": "us", "redirect_uris": ["http://127.0.0.1/v1/oauth/callback"]}
URL = "https://desk.example/mcp"


@dataclass
class OneLogin:
    """A store with one login of the house."""

    record: LoginRecord | None = field(default_factory=lambda: LoginRecord(url=URL, client=CLIENT, tokens=TOKENS))

    async def find(self, owner: str, server: str) -> LoginRecord | None:
        return self.record if (owner, server) == (HOUSE, "desk") else None

    async def keep(self, owner: str, server: str, record: LoginRecord) -> None:
        self.record = record

    async def forget(self, owner: str, server: str) -> None:
        self.record = None


def build_proof(store: OneLogin, url: str = URL, owner: str = HOUSE) -> Proof:
    return Logins(store).proof(ServerConfig(name="desk", transport="http", url=url), owner)


def build_documents() -> dict[str, dict[str, object]]:
    """Returns what the server and its authorization server say of themselves, by path."""
    issuer = "https://login.example/"
    return {
        "/.well-known/oauth-protected-resource/mcp": {"resource": URL, "authorization_servers": [issuer]},
        "/.well-known/oauth-authorization-server": {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}authorize",
            "token_endpoint": f"{issuer}token",
        },
    }


async def test_a_login_is_good_for_its_owner_and_its_address_alone() -> None:
    store = OneLogin()
    assert await build_proof(store)() is not None
    assert await build_proof(store, "https://elsewhere.example/mcp")() is None
    assert await build_proof(store, owner="uma")() is None


async def test_a_slow_answer_holds_up_no_other_request() -> None:
    slow = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer access-of-the-house"
        if request.url.path == "/slow":
            await slow.wait()
        return httpx.Response(200)

    auth = await build_proof(OneLogin())()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), auth=auth) as client:
        await client.post(URL)
        waiting = asyncio.create_task(client.post("https://desk.example/slow"))
        async with asyncio.timeout(5):
            assert (await client.post(URL)).status_code == 200
        slow.set()
        assert (await waiting).status_code == 200


async def test_what_a_server_behind_tls_says_of_where_to_renew_it_is_not_done_in_the_clear() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.scheme)
        challenge = {"WWW-Authenticate": 'Bearer resource_metadata="http://desk.example/metadata"'}
        return httpx.Response(401, headers=challenge)

    auth = await build_proof(OneLogin())()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), auth=auth) as client:
        with pytest.raises(ServerRefused, match="without encryption"):
            await client.post(URL)
    assert set(asked) == {"https"}


async def test_trouble_of_the_authorization_server_ends_no_login() -> None:
    documents = build_documents()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path in documents:
            return httpx.Response(200, json=documents[request.url.path])
        return httpx.Response(503 if request.url.path == "/token" else 401)

    store = OneLogin()
    auth = await build_proof(store)()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), auth=auth) as client:
        with pytest.raises(ServerRefused, match="its authorization server answered 503") as caught:
            await client.post(URL)
    assert not caught.value.login
    assert store.record is not None
    assert store.record.tokens == TOKENS


async def test_a_login_that_the_entry_asks_for_is_begun_also_where_anybody_is_let_in() -> None:
    documents = build_documents()
    shown: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=documents.get(request.url.path, {}))

    async def show(url: str) -> None:
        shown.append(url)

    async def refuse() -> tuple[str, str | None]:
        raise LoginFailed("nobody agreed")

    async def changed(record: LoginRecord) -> None: ...

    terms, ourselves = OAuth(client_id="us", scopes=("read",)), Ourselves("http://127.0.0.1/v1/oauth/callback")
    storage = LoginStorage(LoginRecord(url=URL, wanted="write"), changed, find_registered(terms, ourselves))
    login = build_new_login(URL, storage, terms, ourselves, show, refuse)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), auth=login) as client:
        with pytest.raises(LoginFailed):
            await client.post(URL)
    [url] = shown
    asked = parse_qs(urlsplit(url).query)
    assert (asked["client_id"], asked["scope"], asked["resource"]) == (["us"], ["read write"], [URL])
    assert asked["code_challenge_method"] == ["S256"]
