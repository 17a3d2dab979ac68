"""Whose conversation it is: the key's, or that of Open WebUI's user if a signed token says so."""

import time
from collections.abc import AsyncIterator

import httpx
import jwt
import pytest
import pytest_asyncio

from tests.completions.asking import ask, content_of
from tests.http.serving import ADMIN_KEY, Served, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "the secret that Open WebUI and this server share"
TOKEN = "X-OpenWebUI-User-Jwt"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def signed(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("signed")
    settings = build_settings(folder, model.base_url, mcp_servers='{"mcpServers": {}}', openwebui_jwt_secret=SECRET)
    async with open_served(settings) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def webui(signed: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with signed.client(ADMIN_KEY) as client:
        yield client


def token(sub: str = "u-1", secret: str = SECRET, **more: object) -> str:
    claims = {"sub": sub, "role": "user", "iss": "open-webui", "exp": int(time.time()) + 300, **more}
    return jwt.encode({name: claim for name, claim in claims.items() if claim is not None}, secret, algorithm="HS256")


# A header that says "none" and claims that would do, without a signature.
UNSIGNED = f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{token().split('.')[1]}."


@pytest.mark.slow
async def test_a_signed_user_owns_the_conversation(model: ScriptedModel, webui: httpx.AsyncClient) -> None:
    model.when(says("signed one"), Replies.text("One."))
    answer = await ask(webui, ("user", "signed one"), headers={TOKEN: token()})
    assert content_of(answer) == "One."
    assert (await webui.get(f"/v1/runs/{answer.headers['X-Open-Agent-Run-Id']}")).status_code == 404
    assert (await webui.get("/v1/conversations")).json()["data"] == []


async def test_users_of_one_key_never_meet_even_under_one_chat_id(
    model: ScriptedModel, webui: httpx.AsyncClient
) -> None:
    model.when(says("my secret is tulip"), Replies.text("Noted."))
    model.when(says("what is my secret"), Replies.text("No idea."))
    chat = {"X-OpenWebUI-Chat-Id": "c-both"}
    await ask(webui, ("user", "my secret is tulip"), headers={**chat, TOKEN: token("u-2")})
    await ask(webui, ("user", "what is my secret"), headers={**chat, TOKEN: token("u-3")})
    assert "tulip" not in str((await model.requested(says("what is my secret"))).messages)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "code"),
    [
        (token(secret="another secret that is long enough to sign with"), "wrong_user_token"),
        (token(exp=1), "wrong_user_token"),
        (token(exp=None), "wrong_user_token"),
        (token(iss="someone-else"), "wrong_user_token"),
        (token(iss=None), "wrong_user_token"),
        (token(sub=""), "wrong_user_token"),
        (UNSIGNED, "wrong_user_token"),
        ("no.token", "wrong_user_token"),
        ("", "no_user_token"),
    ],
)
async def test_a_token_that_proves_nothing_is_refused(webui: httpx.AsyncClient, given: str, code: str) -> None:
    answer = await ask(webui, ("user", "let me in"), headers={TOKEN: given})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


async def test_a_name_without_a_token_is_refused(webui: httpx.AsyncClient) -> None:
    answer = await ask(webui, ("user", "let me in"), headers={"X-OpenWebUI-User-Id": "u-1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "no_user_token")


async def test_a_client_that_claims_nothing_is_the_key(model: ScriptedModel, webui: httpx.AsyncClient) -> None:
    model.when(says("just a key"), Replies.text("Fine."))
    answer = await ask(webui, ("user", "just a key"))
    assert (await webui.get(f"/v1/runs/{answer.headers['X-Open-Agent-Run-Id']}")).status_code == 200


async def test_without_a_secret_the_user_only_names_the_chat(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    runs = []
    for name in ("u-4", "u-5"):
        model.when(says("unsigned"), Replies.text("Ok."))
        headers = {"X-OpenWebUI-Chat-Id": "c-unsigned", "X-OpenWebUI-User-Id": name}
        answer = await ask(user, ("user", "unsigned"), headers=headers)
        runs.append((await user.get(f"/v1/runs/{answer.headers['X-Open-Agent-Run-Id']}")).json())
    assert runs[0]["conversation_id"] != runs[1]["conversation_id"]
