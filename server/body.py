"""Request bodies: how many bytes are taken and which JSON is read.

Past this point a body is text and numbers that every store, log and tool can hold.
"""

import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from config.json_size import MAX_DEPTH, MAX_VALUES, holds_too_many
from server.errors import Invalid, Malformed, TooLarge, TooSlow, Unsupported

_LONG: Final = 64 * 1024
"""Bytes."""


class BodyLimit:
    """Refuses bodies over the cap, by what they say of themselves and by what really arrives, and those that dawdle."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes, self._seconds = max_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            # A few bytes that unpack to gigabytes are a known trick, and no client of an API like this needs them.
            if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                detail = "Send the body as it is, without `Content-Encoding`."
                raise Unsupported("unsupported_content_encoding", detail)
            self._check(int(headers.get("content-length", "0")))
            receive = self._bounded(receive)
        await self._app(scope, receive, send)

    def _bounded(self, receive: Receive) -> Receive:
        taken, whole = 0, False
        until = asyncio.get_running_loop().time() + self._seconds

        async def take() -> Message:
            nonlocal taken, whole
            if whole:  # from now on it is the client's going away that is waited for
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                detail = f"The body did not come to its end within {self._seconds:g} seconds."
                raise TooSlow("request_timeout", detail) from None
            taken += len(message.get("body", b""))
            self._check(taken)
            whole = not message.get("more_body", False)
            return message

        return take

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            detail = f"The body is larger than the {self._max_bytes} bytes that are taken."
            raise TooLarge("body_too_large", detail)


async def read_whole(receive: Receive) -> bytes:
    """Raises: ClientDisconnect, when it does not come to its end."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def read_again(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, and then what comes: the client hanging up."""
    pending = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": pending.pop()} if pending else await receive()

    return again


class StrictJsonRoute(APIRoute):
    """A route that reads its body by `parse_json`, before FastAPI would turn every fault into the same 400."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def strict(request: Request) -> Response:
            checked = _StrictRequest(request.scope, request.receive)
            if await checked.body():
                _require_json(request)
                await checked.json()
            return await handle(checked)

        return strict


class _StrictRequest(Request):
    _parsed: tuple[JsonValue] | None = None

    @override
    async def json(self) -> JsonValue:
        if self._parsed is None:
            self._parsed = (await read_json(await self.body()),)
        return self._parsed[0]


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Unsupported("unsupported_media_type", "Send the body as JSON, with `Content-Type: application/json`.")


async def read_json(body: bytes) -> JsonValue:
    """Returns and raises what `parse_json` does; what is long is read in a thread, while others have their turns."""
    return await asyncio.to_thread(parse_json, body) if len(body) > _LONG else parse_json(body)


def parse_json(body: bytes) -> JsonValue:
    """Returns the value, made of nothing but sane numbers and text without NUL or half characters.

    Raises `Malformed` for what is not such JSON, `Invalid` for a string or a number that nothing could store.
    """
    if holds_too_many(body):
        raise TooLarge("json_too_many_values", f"The body holds more than {MAX_VALUES} values.")
    try:
        value: JsonValue = json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise Malformed("invalid_utf8", f"The body is not UTF-8 (byte {error.start}).") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # also JSONDecodeError, and integers too long to read
        raise Malformed("malformed_json", f"The body is not JSON: {error}.") from error
    _check_value(value)
    return value


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """Whoever checks a body and whoever acts on it must not read different values from it."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("an object has a key twice")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _too_deep() -> Malformed:
    return Malformed("json_too_deep", f"The body is nested deeper than {MAX_DEPTH} levels.")


def _check_value(value: JsonValue) -> None:
    # A loop and not recursion: the depth is what it guards against.
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH):
        for each in level:
            _check_scalar(each)
        level = [child for each in level for child in _children(each)]
        if not level:
            return
    raise _too_deep()


def _children(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _check_scalar(value: JsonValue) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Invalid("number_out_of_range", "A number in the body is too large to be kept.")
    if isinstance(value, str) and ("\x00" in value or not _encodes(value)):
        raise Invalid("invalid_text", "Text in the body holds a NUL or half a surrogate pair; leave it out.")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
