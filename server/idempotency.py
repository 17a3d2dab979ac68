"""`Idempotency-Key`: a POST that comes twice acts once. One ring around all routes, which know nothing of it.

An answer that was given is given again, byte for byte. One that was not (a crash came in between) and a stream are told
anew by the same route, which then finds what the request has made instead of making it: see `server/db/once.py`.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.application import Application
from server.body import read_again, read_whole
from server.completions.refusals import is_openai_path
from server.completions.visit import read_visit
from server.db.idempotency import Answer, IdempotencyKeys
from server.db.once import KeyedRequest, in_progress, keyed
from server.errors import Invalid, Unavailable
from server.keys import Principal

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEY_PATTERN: Final = "^[!-~]{1,255}$"
_STREAM: Final = "text/event-stream"

_log = structlog.stdlib.get_logger("server.idempotency")


class Idempotency:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._busy: dict[tuple[str, str], KeyedRequest] = {}
        """What this process is answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_keyed(scope):
            await self._app(scope, receive, send)
            return
        body = await read_whole(receive)
        request = _read_request(scope, body)
        with self._hold(request) as release:
            await self._answer(request, release, scope, read_again(body, receive), send)

    async def _answer(
        self, request: KeyedRequest, release: Callable[[], None], scope: Scope, receive: Receive, send: Send
    ) -> None:
        keys: IdempotencyKeys = scope["state"]["application"].store.idempotency
        if is_openai_path(scope["path"]):
            await keys.free_after_failure(request)
        kept = await keys.find(request)
        if kept is None:
            answer = _FirstAnswer(keys, request, release, send)
        else:
            _check_same(request, kept.fingerprint)
            request.made = kept.made
            answer = _FirstAnswer(keys, request, release, _marked(send))
            if kept.answer:
                await _replay(kept.answer)(scope, receive, _marked(send))
                return
        with keyed(request):
            await self._app(scope, receive, answer.send)

    @contextmanager
    def _hold(self, request: KeyedRequest) -> Iterator[Callable[[], None]]:
        """Refuses the same key while it is held; yields what lets go of it early."""
        place = (request.owner, request.key)
        if other := self._busy.get(place):
            _check_same(request, other.fingerprint)
            raise in_progress()
        self._busy[place] = request

        def release() -> None:
            if self._busy.get(place) is request:
                del self._busy[place]

        try:
            yield release
        finally:
            release()


class _FirstAnswer:
    """Passes an answer on once it is kept. A stream passes at once: it is told again from what was made."""

    def __init__(self, keys: IdempotencyKeys, request: KeyedRequest, release: Callable[[], None], send: Send) -> None:
        self._keys, self._request, self._release, self._send = keys, request, release, send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._streams(Headers(raw=message["headers"])):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    def _streams(self, headers: Headers) -> bool:
        if not headers.get("content-type", "").startswith(_STREAM):
            return False
        if "content-location" in headers:
            self._release()  # what it tells is in the database by now: who comes again may read it beside this reader
        return True

    async def _finish(self, start: Message) -> None:
        headers = Headers(raw=start["headers"])
        # What was refused has not acted, what broke may go well the next time, and a secret is told only once.
        if start["status"] < HTTPStatus.BAD_REQUEST and "no-store" not in headers.get("cache-control", ""):
            kept = {name: value for name, value in headers.items() if name != "content-length"}
            try:
                await self._keys.keep(self._request, Answer(start["status"], kept, self._body))
            except Unavailable as error:
                _log.warning("answer not kept; a retry is answered from what was made", code=error.code)
        self._release()
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})


def _is_keyed(scope: Scope) -> bool:
    posted = scope["type"] == "http" and scope["method"] == "POST" and "principal" in scope["state"]
    return posted and HEADER in Headers(scope=scope)


def _read_request(scope: Scope, body: bytes) -> KeyedRequest:
    headers = Headers(scope=scope)
    given = headers.getlist(HEADER)
    if len(given) != 1 or not re.fullmatch(KEY_PATTERN, given[0]):
        detail = "Send one Idempotency-Key of 1 to 255 visible ASCII characters without spaces, such as a UUID."
        raise Invalid("invalid_idempotency_key", detail)
    app: Application = scope["state"]["application"]
    principal: Principal = scope["state"]["principal"]
    # Of one key's users each has keys of their own, and a replay is no way around the proof of who asks.
    openai = is_openai_path(scope["path"])
    owner = read_visit(principal, headers, app.terms).owner if openai else principal.name
    parts = (principal.role, scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
    said = "\0".join(parts).encode() + b"\0" + body
    return KeyedRequest(owner, given[0], hashlib.sha256(said).hexdigest())


def _check_same(request: KeyedRequest, fingerprint: str) -> None:
    if request.fingerprint != fingerprint:
        detail = "This Idempotency-Key came with another request before; use a new key for each request."
        raise Invalid("idempotency_key_reused", detail)


def _replay(answer: Answer) -> Response:
    response = Response(answer.body, status_code=answer.status)
    response.headers.update(answer.headers)
    return response


def _marked(send: Send) -> Send:
    async def mark(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[REPLAYED] = "true"
        await send(message)

    return mark
