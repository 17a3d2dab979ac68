"""A problem on its way out, held back until its body is there to be rewritten: the length stands in the headers."""

from collections.abc import Callable
from typing import cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Send

from server.problems import MEDIA_TYPE

Rewrite = Callable[[Message, bytes], bytes]
"""Is given the message with status and headers, which it may change, and the body; returns the body that is sent."""


class HeldProblem:
    """Stands in for `send` during one request; what is no problem passes untouched."""

    def __init__(self, send: Send, rewrite: Rewrite) -> None:
        self._send, self._rewrite = send, rewrite
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and Headers(scope=message).get("content-type") == MEDIA_TYPE:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += cast(bytes, message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = self._rewrite(start, self._body)
        MutableHeaders(scope=start)["Content-Length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})
