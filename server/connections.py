"""Clients' connections: how many there may be, each bounded until it says what it wants. Bodies: `server/body.py`."""

import asyncio
from typing import Any, Final, cast

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

_FAREWELL_SECONDS: Final = 1.0
_FULL: Final = (
    b'{"type":"about:blank","title":"Service Unavailable","status":503,"code":"too_many_connections",'
    b'"detail":"The server has as many connections as it takes; try again in a moment."}'
)
_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """uvicorn's own, with an end to its patience: a client that sends a byte now and then would else stay for ever.

    How long headers may be is bounded by h11.
    """

    _deadline: asyncio.TimerHandle | None = None
    _turned_away = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        # WebSockets count as well, which uvicorn's own limit lets pass
        if len(self.connections) > cast(ConnectionConfig, self.config).max_connections:
            self._turn_away(transport)
        else:
            self._wait()

    @override
    def data_received(self, data: bytes) -> None:
        if self._turned_away:
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before or self.transport.get_protocol() is not self:  # a request, or a WebSocket
            self._wait_no_more()
        elif self._deadline is None and self.cycle.response_complete:
            self._wait()  # for the next request, or while the rest of a refused one is thrown away

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _turn_away(self, transport: asyncio.Transport) -> None:
        """Says so, and closes a little later: what is still on its way from the client would else undo the answer."""
        self._turned_away = True
        transport.write(_TOO_MANY)
        transport.write_eof()
        self._deadline = self.loop.call_later(_FAREWELL_SECONDS, transport.close)

    def _wait(self) -> None:
        seconds = cast(ConnectionConfig, self.config).request_timeout
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()


class ConnectionConfig(uvicorn.Config):
    """uvicorn's, with the seconds that a client has for the headers of a request, and how many connections may be."""

    def __init__(self, app: Any, request_timeout: float, max_connections: int, **named: Any) -> None:  # noqa: ANN401 - uvicorn's, handed on
        super().__init__(app, http=Connection, **named)
        self.request_timeout, self.max_connections = request_timeout, max_connections
