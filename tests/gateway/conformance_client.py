"""Our own client layer as the conformance suite's client: sessions, tools, questions, and logging in."""

import asyncio
import json
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from mcp_config.entries.login_terms import HOUSE, OAuthEntry, Ourselves
from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import ToolError
from mcp_config.identity.login_attempt import LoginFailed
from mcp_config.identity.login_record import LoginRecord
from mcp_config.identity.logins import Logins
from mcp_config.talkback import Ears, Params
from mcp_config.tools import Caller
from mcp_config.upstream.sdk import Session, describe_failure, open_session
from mcp_config.upstream.warden import Warden

OURSELVES = Ourselves("http://127.0.0.1/v1/oauth/callback", "https://conformance-test.local/client-metadata.json")
MOST_LOGINS = 3


@dataclass(frozen=True)
class Filling:
    """A client whose user takes what a form suggests."""

    def progressed(self, progress: float, total: float | None, message: str | None) -> None: ...

    def logged(self, params: Params) -> None: ...

    def elicits(self, mode: str = "form") -> bool:
        return mode == "form"

    async def elicit(self, params: Params) -> Params | None:
        schema = params["requestedSchema"]
        properties = schema["properties"] if isinstance(schema, dict) else {}
        assert isinstance(properties, dict)
        suggested = {
            name: each["default"] for name, each in properties.items() if isinstance(each, dict) and "default" in each
        }
        return {"action": "accept", "content": suggested}

    async def sample(self, params: Params) -> Params | None:
        return None


class Memory:
    """Keeps logins for as long as a scenario runs."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], LoginRecord] = {}

    async def find(self, owner: str, server: str) -> LoginRecord | None:
        return self.kept.get((owner, server))

    async def keep(self, owner: str, server: str, record: LoginRecord) -> None:
        self.kept[owner, server] = record

    async def forget(self, owner: str, server: str) -> None:
        self.kept.pop((owner, server), None)


async def visit(url: str, scenario: str, context: Params) -> None:
    """Does all that the server offers; logs in whenever it is asked to, as often as a person would."""
    config = await _build_config(url, context)
    logins, before = Logins(Memory(), OURSELVES), 0
    while True:
        try:
            await _use_all(config, logins, scenario)
        except (ToolError, ExceptionGroup):  # the SDK wraps what ends a session while it is opened
            before += 1
            if before > MOST_LOGINS or (config.oauth and config.oauth.grant != "login"):
                raise
            await _log_in(config, logins)
        else:
            return


async def _build_config(url: str, context: Params) -> ServerConfig:
    auth = {"client_id": context["client_id"], "issuer": await _find_issuer(url)} if "client_id" in context else None
    if auth and "private_key_pem" in context:
        auth |= {"grant": "client_credentials", "private_key": context["private_key_pem"]}
        auth |= {"algorithm": context["signing_algorithm"]}
    elif auth and "client_secret" in context:
        machine = "pre-registered" not in str(context["client_id"])
        auth |= {"grant": "client_credentials" if machine else "login", "client_secret": context["client_secret"]}
    terms = OAuthEntry.model_validate(auth).build() if auth else None
    return ServerConfig(name="suite", transport="http", url=url, oauth=terms)


async def _find_issuer(url: str) -> str:
    """Returns what a person who was given a client id knows as well: of which authorization server it is."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        challenge = (await browser.post(url, json={})).headers["www-authenticate"]
        [resource] = re.findall(r'resource_metadata="([^"]+)"', challenge)
        issuer: str = (await browser.get(resource)).json()["authorization_servers"][0]
    return issuer


async def _use_all(config: ServerConfig, logins: Logins, scenario: str) -> None:
    ears = Ears(lambda notice: None)
    async with open_session(config, Warden(None), ears, logins.proof(config)) as session:
        await session.initialize()
        tools = (await session.list_page(None)).get("tools")
        for tool in tools if isinstance(tools, list) and scenario != "initialize" else ():
            assert isinstance(tool, dict)
            await _use(session, ears, str(tool["name"]))


async def _use(session: Session, ears: Ears, name: str) -> None:
    client = Filling()
    with ears.board.joined(client):
        arguments: Params = {"a": 2, "b": 3} if name == "add_numbers" else {}
        await session.request("tools/call", {"name": name, "arguments": arguments}, progressed=client.progressed)


async def _log_in(config: ServerConfig, logins: Logins) -> None:
    attempt = await logins.begin(config, HOUSE, Caller("suite", role="admin"))
    async with httpx.AsyncClient(trust_env=False) as browser:
        back = parse_qs(urlsplit((await browser.get(attempt.url)).headers["location"]).query)
    await logins.finish(back["state"][0], back["code"][0], None, back.get("iss", [None])[0])


@asynccontextmanager
async def open_client(path: Path) -> AsyncIterator[None]:
    """Answers at the socket: each line is a visit, and the answer why it failed."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        url, scenario, context = json.loads(await reader.readline())
        try:
            await visit(url, scenario, json.loads(context or "{}"))
        except (ToolError, ExceptionGroup, LoginFailed) as error:
            writer.write(f"{type(error).__name__}: {describe_failure(error)}".encode())
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        yield
