"""An HTTP client for MCP servers that gathers no more than the cap. Uses no proxy or credential of our environment."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import httpcore
import httpx
from typing_extensions import override

from mcp_config.guarded_network import Check, GuardedBackend

MAX_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes of one body, or of one line of an event stream: the same bound as for a line over stdio."""


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, too_long: Callable[[], None], *, by_line: bool) -> None:
        self._stream = stream
        self._too_long = too_long
        self._by_line = by_line

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        gathered = 0
        async for chunk in self._stream:
            line_end = chunk.rfind(b"\n") if self._by_line else -1
            gathered = gathered + len(chunk) if line_end < 0 else len(chunk) - line_end - 1
            if gathered > MAX_MESSAGE:
                self._too_long()
                raise httpx.ReadError("the message is longer than the cap")
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx.AsyncHTTPTransport):
    def __init__(self, too_long: Callable[[], None], check: Check) -> None:
        super().__init__()
        self._too_long = too_long
        # private, but httpx takes no network of one's own, and only there are the addresses seen
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=GuardedBackend(check, httpcore.AnyIOBackend()),
        )

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous transport gives asynchronous streams")
        by_line = response.headers.get("content-type", "").startswith("text/event-stream")
        response.stream = _BoundedStream(response.stream, self._too_long, by_line=by_line)
        return response


def build_http_client(
    headers: dict[str, str] | None,
    timeout: httpx.Timeout | None,
    auth: httpx.Auth | None,
    too_long: Callable[[], None],
    check: Check,
) -> httpx.AsyncClient:
    """Returns the client; `too_long` is called when a message is: the SDK hides the error that it raises.

    `check` has the last word on each address that is connected to.
    """
    # no compression: a small body must not become a big one
    plain = {"Accept-Encoding": "identity", **(headers or {})}
    return httpx.AsyncClient(
        transport=_BoundedTransport(too_long, check),
        headers=plain,
        timeout=timeout,
        auth=auth,
        follow_redirects=False,
        trust_env=False,
    )
