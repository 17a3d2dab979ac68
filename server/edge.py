"""The outermost ring of every request: its id, its log line, and the last catch. Knows no route."""

import re
import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.ids import new_id
from server.errors import ApiError
from server.problems import api_error_response, internal_error_response

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET: Final = frozenset({"/healthz", "/readyz"})
"""Asked every few seconds by orchestrators: not worth a log line each."""

_log = structlog.stdlib.get_logger("server.http")


class RequestEdge:
    """Gives the request an id, answers what nobody below has caught, and logs one line at the end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._guarded(scope, receive, answer)
            finally:
                _log_request(scope, answer.status, time.perf_counter() - started)

    async def _guarded(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._app(scope, receive, answer.send)
        except ApiError as error:
            response = api_error_response(error, answer.request_id)
        except Exception:
            _log.exception("request failed")
            if answer.status is not None:
                raise  # the headers are out: a cut connection is the only honest answer left
            response = internal_error_response(answer.request_id)
        else:
            return
        await response(scope, receive, answer.send)


class _Answer:
    """Passes the response on, adds the request id, and remembers the status once it is out."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])  # some give an enum, which a log would spell out
            MutableHeaders(scope=message)["X-Request-Id"] = self.request_id
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else new_id("req")


def _log_request(scope: Scope, status: int | None, seconds: float) -> None:
    log = _log.debug if scope["path"] in _QUIET else _log.info
    # The raw path is percent-encoded, so it cannot break the line; the query may hold what is private.
    path = scope.get("raw_path", b"").decode("latin-1")
    principal = scope["state"].get("principal")
    caller = principal.name if principal else None
    log("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 1), caller=caller)
