"""An HTTP client for MCP servers that gathers no more than the cap. Uses no proxy or credential of our environment."""

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final

import httpcore
import httpx
from typing_extensions import override

from mcp_config.errors import ServerRefused
from mcp_config.upstream.guarded_network import Check, GuardedBackend
from mcp_config.upstream.message_size import MAX_MESSAGE, find_excess

_EVENT_END: Final = re.compile(rb"(?>\r\n|\n|\r){2}")
_LONGEST_WAIT: Final = 600
_BY_HEADER: Final = "put a credential into `headers` of its entry"


class _BoundedStream(httpx.AsyncByteStream):
    """Hands on whole messages: a body, or the events of a stream, once they have been judged."""

    def __init__(self, stream: httpx.AsyncByteStream, too_big: Callable[[str], None], *, of_events: bool) -> None:
        self._stream = stream
        self._too_big = too_big
        self._of_events = of_events

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = bytearray()
        async for chunk in self._stream:
            since = max(0, len(held) - 3)  # the end of an event may lie between two chunks
            held += chunk
            ends = [end.end() for end in _EVENT_END.finditer(held, since)] if self._of_events else []
            for start, end in zip([0, *ends], ends, strict=False):
                self._judge(held[start:end])
            if ends:
                yield bytes(held[: ends[-1]])
                del held[: ends[-1]]
            if len(held) > MAX_MESSAGE:
                self._judge(held)
        self._judge(held)
        yield bytes(held)

    def _judge(self, message: bytearray) -> None:
        if excess := find_excess(message):
            self._too_big(excess)
            raise httpx.ReadError(excess)

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """Reads whom to trust once: that takes longer than a whole session with a server near by."""
    return httpx.create_ssl_context()


class _BoundedTransport(httpx.AsyncHTTPTransport):
    def __init__(self, too_big: Callable[[str], None], check: Check) -> None:
        super().__init__(verify=_trusted())
        self._too_big = too_big
        # private, but httpx takes no network of one's own, and only there are the addresses seen
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_trusted(),
            network_backend=GuardedBackend(check, httpcore.AnyIOBackend()),
        )

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous transport gives asynchronous streams")
        of_events = response.headers.get("content-type", "").startswith("text/event-stream")
        response.stream = _BoundedStream(response.stream, self._too_big, of_events=of_events)
        return response


class _Judged(httpx.Auth):
    """Looks at the last answer to each request: what comes before it is the logging in of `inner`."""

    def __init__(self, inner: httpx.Auth | None, refused: Callable[[ServerRefused], None], login: str) -> None:
        self._inner, self._refused, self._login = inner, refused, login

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        flow = (self._inner or _find_named(request.url)).async_auth_flow(request)
        response: httpx.Response | None = None
        try:
            outgoing = await anext(flow)
            while True:
                response = yield outgoing
                outgoing = await flow.asend(response)
        except StopAsyncIteration:
            if request.method == "POST" and response and (refusal := find_refusal(response, self._login)):
                self._refused(refusal)
        except ServerRefused as refusal:
            self._refused(refusal)
            raise
        finally:
            await flow.aclose()


def _find_named(url: httpx.URL) -> httpx.Auth:
    """Returns what an address itself says of who asks."""
    return httpx.BasicAuth(url.username, url.password) if url.userinfo else httpx.Auth()


def find_refusal(response: httpx.Response, login: str = "") -> ServerRefused | None:
    """Returns what the status means; a redirect is one, too. 404 is not: it ends a session, and the SDK tells so.

    `login` is how to log in, where people can.
    """
    status = response.status_code
    if status < 300 or status == 404:
        return None
    if status in (401, 403):
        challenge = response.headers.get("www-authenticate", "")
        how = login if login and (status == 401 or "resource_metadata" in challenge) else _BY_HEADER
        return ServerRefused(f"needs login: the server answered {status}; {how}", login=True)
    if response.is_redirect:
        return ServerRefused(
            f"the server answered {status}, and redirects are not followed: put the new address into `url`"
        )
    wait = _seconds(response.headers.get("retry-after", ""))
    after = f" and asks to be left alone for {wait:g} seconds" if wait else ""
    return ServerRefused(f"the server answered {status}{after}", wait=wait)


def _seconds(retry_after: str) -> float:
    """Returns what `Retry-After` asks for, as seconds or as a date; within bounds, as it is a stranger's wish."""
    if retry_after.strip().isdecimal():
        return float(min(int(retry_after.strip()[:9]), _LONGEST_WAIT))
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    left = until.timestamp() - datetime.now(UTC).timestamp()
    return min(max(left, 0.0), _LONGEST_WAIT)


def build_http_client(
    headers: dict[str, str] | None,
    timeout: httpx.Timeout | None,
    auth: httpx.Auth | None,
    too_big: Callable[[str], None],
    refused: Callable[[ServerRefused], None],
    check: Check,
    login: str = "",
) -> httpx.AsyncClient:
    """Returns the client; `too_big` and `refused` are called when that happens: the SDK hides what is raised.

    `check` has the last word on each address that is connected to, `login` says to people how to log in.
    """
    # no compression: a small body must not become a big one
    plain = {"Accept-Encoding": "identity", **(headers or {})}
    return httpx.AsyncClient(
        transport=_BoundedTransport(too_big, check),
        headers=plain,
        timeout=timeout,
        auth=_Judged(auth, refused, login),
        follow_redirects=False,
        trust_env=False,
    )
