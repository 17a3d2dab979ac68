"""An MCP server that is logged in to, and the authorization server that it trusts: the SDK's own, in this loop."""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.fastmcp import FastMCP
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from tests.support.waiting import until

CHANGE = "desk:change"
"""What a login has to allow for `change` to be called."""


@dataclass
class Notary(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """Agrees at once to whatever is asked, in the name of `person`."""

    person: str = "pat"
    code_seconds: float = 60
    token_seconds: int | None = 3600
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    """Who agreed to each code and token."""
    issued: list[str] = field(default_factory=list)
    """All tokens there ever were."""

    @override
    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    @override
    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id is not None
        self.clients[client_info.client_id] = client_info

    @override
    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = secrets.token_urlsafe(24)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + self.code_seconds,
            client_id=client.client_id or "",
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.people[code] = self.person
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    @override
    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    @override
    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(
            authorization_code.client_id, authorization_code.scopes, self.people[authorization_code.code]
        )

    @override
    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    @override
    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        if self.refresh.pop(refresh_token.token, None) is None:
            raise TokenError("invalid_grant")
        return self._issue(refresh_token.client_id, scopes, self.people[refresh_token.token])

    @override
    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    @override
    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)

    def revoke_all(self) -> None:
        self.access.clear()
        self.refresh.clear()

    def _issue(self, client_id: str, scopes: list[str], person: str) -> OAuthToken:
        access, refresh = (f"{kind}-{secrets.token_urlsafe(24)}" for kind in ("access", "refresh"))
        self.access[access] = AccessToken(token=access, client_id=client_id, scopes=scopes)
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client_id, scopes=scopes)
        self.people |= {access: person, refresh: person}
        self.issued += [access, refresh]
        return OAuthToken(
            access_token=access, refresh_token=refresh, expires_in=self.token_seconds, scope=" ".join(scopes)
        )


@dataclass(frozen=True)
class LoginServer:
    url: str
    notary: Notary


def _build_server(notary: Notary, address: str, issuer: str) -> FastMCP:
    auth = AuthSettings(
        issuer_url=AnyHttpUrl(issuer),
        client_registration_options=ClientRegistrationOptions(enabled=True),
        resource_server_url=AnyHttpUrl(f"{address}/mcp"),
        validate_token_resource=False,
    )
    server = FastMCP("desk", log_level="ERROR", auth=auth, auth_server_provider=notary)

    @server.tool()
    def whoami() -> str:
        token = get_access_token()
        return notary.people[token.token] if token else ""

    @server.tool()
    def change() -> str:
        return "changed"

    @server.tool()
    def leak() -> str:
        token = get_access_token()
        return f"you sent {token.token}" if token else ""

    return server


class _MoreForChanges:
    """Lets `change` be called only with the scope for it."""

    def __init__(self, app: ASGIApp, notary: Notary) -> None:
        self._app, self._notary = app, notary

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/mcp":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        token = self._notary.access.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if b'"change"' in body and token is not None and CHANGE not in token.scopes:
            challenge = f'Bearer error="insufficient_scope", scope="{CHANGE}"'
            await Response(status_code=403, headers={"WWW-Authenticate": challenge})(scope, receive, send)
            return

        read: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return read.pop() if read else await receive()

        await self._app(scope, again, send)


@asynccontextmanager
async def open_login_server(issuer: str = "") -> AsyncIterator[LoginServer]:
    """Yields the server; `issuer` is what it says of where to log in, if that is to be elsewhere."""
    listener = socket.create_server(("127.0.0.1", 0))
    address, notary = f"http://127.0.0.1:{listener.getsockname()[1]}", Notary()
    app = _build_server(notary, address, issuer or address).streamable_http_app()
    guarded = _MoreForChanges(app, notary)
    server = uvicorn.Server(uvicorn.Config(guarded, log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield LoginServer(f"{address}/mcp", notary)
    finally:
        server.should_exit = True
        await serving
