"""Who may ask for what. A path needs a key unless it is listed as open, so that no new route can forget to ask."""

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from server.application import Application
from server.docs_page import ASSETS
from server.errors import ApiError, Forbidden
from server.identity.acting import act_as
from server.identity.scopes import check_scope
from server.keys import Principal
from server.lapse import lapsing
from server.logins import CALLBACK, DOCUMENT
from server.websocket import find_key, refuse

OPEN_PATHS: Final = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json", CALLBACK, DOCUMENT})


class Authentication:
    """Finds the principal of each request, before anything of its body is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization = None
        if scope["type"] == "http" and not _is_open(scope["path"]):
            authorization = Headers(scope=scope).get("authorization", "")
            scope["state"]["principal"] = await _identify(scope, authorization)
        if scope["type"] == "websocket":
            authorization = _authorization_of_socket(scope)
            try:
                scope["state"]["principal"] = await _identify(scope, authorization)
            except ApiError as error:
                await refuse(WebSocket(scope, receive, send), error)
                return
        if authorization is None:
            await self._app(scope, receive, send)
            return
        app: Application = scope["state"]["application"]
        with app.credentials.watched(authorization) as over:
            await (lapsing(self._app, over) if over else self._app)(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(f"{ASSETS}/")


async def _identify(scope: Scope, authorization: str) -> Principal:
    app: Application = scope["state"]["application"]
    principal = await app.credentials.identify(authorization)
    method: str = scope.get("method", "GET")  # a socket only reads
    check_scope(principal, method, scope["path"])
    deed = f"{method} {scope['raw_path'].decode('latin-1')}"
    return await act_as(principal, Headers(scope=scope), deed, app.store.audit)


def _authorization_of_socket(scope: Scope) -> str:
    offered = find_key(scope["subprotocols"])
    return f"Bearer {offered}" if offered else Headers(scope=scope).get("authorization", "")


_scheme: Final = HTTPBearer(
    auto_error=False,
    description="An API key; `make run` prints the generated one. With AUTH_MODE=jwt also a JWT.",
)
"""Says in the API description what `Authentication` does."""


def caller(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


def admin(principal: Annotated[Principal, Depends(caller)]) -> Principal:
    if principal.role != "admin":
        raise Forbidden("admin_only", "This needs an API key with the role admin.")
    return principal


needs_key: Final = Depends(_scheme)
Caller = Annotated[Principal, Depends(caller)]
Admin = Annotated[Principal, Depends(admin)]
