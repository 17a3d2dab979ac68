"""A20: a caller's own key or token reaches no MCP server, by whatever way the call came; what is configured does.

What the servers are given is written down on their side: in results the redaction could hide it.
"""

import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
import pytest
import pytest_asyncio

from tests.gateway.peer import open_peer
from tests.http.serving import ADMIN_KEY, USER_KEY, Json, Served, build_settings, ended, open_served, start_run
from tests.support.desk import LISTING, Upstream, build_entry, open_upstream
from tests.support.issuer import AUDIENCE, NAME, build_claims
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

COMPLETE: Final = str(Path(__file__).parent.parent / "support" / "complete_server.py")
RECORDING: Final = 'env >"$1"; tee -a "$1" | "$2" -I -S "$3"'
"""A server over stdio before which all that it is given is written down: its environment, and every line."""
JWT_SECRET: Final = "the secret of the issuer and this server"
WEBUI_SECRET: Final = "the secret of Open WebUI and this server"
EXPIRY: Final = int(time.time()) + 86_400
"""Long after the whole suite, at whose beginning this is imported."""
TOKEN: Final = jwt.encode(build_claims(sub="tilda", exp=EXPIRY), JWT_SECRET, "HS256")
WEBUI_TOKEN: Final = jwt.encode(
    {"sub": "u-1", "role": "user", "iss": "open-webui", "exp": EXPIRY}, WEBUI_SECRET, "HS256"
)
CALLS: Final[tuple[tuple[str, Json], ...]] = (("web__whoami", {}), ("desk__whoami", {}), ("child__touch", {"uri": "x"}))
OWN: Final = {ADMIN_KEY: "anns-own-at-the-desk", USER_KEY: "umas-own-at-the-desk", TOKEN: "tildas-own-at-the-desk"}


@dataclass(frozen=True)
class Station:
    """A served product before three servers: one with a fixed header, one with a header for each user, a child."""

    served: Served
    upstream: Upstream
    child: Path
    model: ScriptedModel

    @property
    def given(self) -> str:
        """All that any server was ever given."""
        return f"{self.upstream.seen}\n{self.child.read_text()}"

    def count(self) -> tuple[int, int]:
        return len(self.upstream.seen), self.child.read_text().count('"tools/call"')


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def station(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Station]:
    folder = tmp_path_factory.mktemp("station")
    (folder / "policies.yaml").write_text('rules: [{match: "*", verdict: allow}]')
    async with open_upstream() as upstream:
        servers: Json = {
            "web": {"url": upstream.url, "headers": {"Authorization": "Bearer the-servers-own"}},
            "desk": build_entry(upstream),
            "child": {
                "command": "sh",
                "args": ["-c", RECORDING, "sh", str(folder / "child"), sys.executable, COMPLETE],
            },
        }
        settings = build_settings(
            folder,
            model.base_url,
            mcp_servers=json.dumps({"mcpServers": servers}),
            tool_policies_file=folder / "policies.yaml",
            auth_mode="jwt",
            jwt_issuer=NAME,
            jwt_audience=AUDIENCE,
            jwt_secret=JWT_SECRET,
            openwebui_jwt_secret=WEBUI_SECRET,
        )
        async with open_served(settings) as served, served.client(ADMIN_KEY) as admin:
            agent = {"id": "carrier", "name": "C", "description": "d", "system_prompt": "p", "allowed_tools": ["*"]}
            (await admin.post("/v1/agents", json=agent)).raise_for_status()
            for caller, credential in OWN.items():
                async with served.client(caller) as client:
                    stored = await client.put("/v1/credentials/DESK_TOKEN", json={"value": credential})
                    assert stored.status_code == 204, stored.text
            yield Station(served, upstream, folder / "child", model)


async def _invoke(station: Station, caller: str) -> None:
    async with station.served.client(caller) as client:
        for tool, arguments in CALLS:
            answer = await client.post(f"/v1/tools/{tool}/invoke", json={"arguments": arguments})
            assert answer.json()["status"] == "ok", answer.text


async def _run(station: Station, caller: str) -> None:
    _script(station.model, f"carry for {OWN[caller]}")
    async with station.served.client(caller) as client:
        run = await ended(client, (await start_run(client, f"carry for {OWN[caller]}", "carrier"))["id"])
        assert run["status"] == "completed", run
        steps = (await client.get(f"/v1/runs/{run['id']}/steps")).json()["data"]
        assert [call["status"] for step in steps for call in step["tool_calls"]] == ["ok"] * len(CALLS)


async def _gateway(station: Station, caller: str) -> None:
    async with open_peer(station.served, caller) as peer:
        for tool, arguments in CALLS:
            assert not (await peer.call(tool, **arguments)).isError


def _script(model: ScriptedModel, words: str) -> None:
    model.when(lambda request: says(words)(request) and has_result("touched")(request), Replies.text("done"))
    model.when(says(words), Replies.tools(*CALLS))


@pytest.mark.parametrize("caller", [TOKEN, USER_KEY, ADMIN_KEY], ids=["token", "key of a user", "key of an admin"])
@pytest.mark.parametrize("way", [_invoke, _run, _gateway], ids=["invoke", "run", "gateway"])
async def test_a20_no_server_is_given_what_its_caller_came_with(
    station: Station, way: Callable[[Station, str], Awaitable[None]], caller: str
) -> None:
    before = station.count()
    await way(station, caller)
    assert all(after > earlier for after, earlier in zip(station.count(), before, strict=True))
    assert _find_tokens(station.given) == []
    assert {"Bearer the-servers-own", LISTING, f"Bearer {OWN[caller]}"} <= _authorizations(station)


async def test_a20_no_server_is_given_the_token_that_open_webui_signed(station: Station) -> None:
    _script(station.model, "carry for the one at the browser")
    body = {"model": "carrier", "messages": [{"role": "user", "content": "carry for the one at the browser"}]}
    before = station.count()
    async with station.served.client(USER_KEY) as client:
        answer = await client.post("/v1/chat/completions", json=body, headers={"X-OpenWebUI-User-Jwt": WEBUI_TOKEN})
    assert answer.json()["choices"][0]["message"]["content"] == "done", answer.text
    assert all(after > earlier for after, earlier in zip(station.count(), before, strict=True))
    assert _find_tokens(station.given) == []


def _find_tokens(given: str) -> list[str]:
    """Returns which of the callers' keys and tokens are in it, the whole or the part that proves it."""
    secrets = (ADMIN_KEY, USER_KEY, TOKEN, WEBUI_TOKEN, JWT_SECRET, WEBUI_SECRET)
    return [secret for secret in secrets if secret in given or ("." in secret and secret.rpartition(".")[2] in given)]


def _authorizations(station: Station) -> set[str]:
    return {headers.get("authorization", "") for headers in station.upstream.seen}
