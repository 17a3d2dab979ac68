"""One client's connection, bounded while it has not said yet what it wants. Bodies are bounded in `server/body.py`."""

import asyncio
from typing import Any, Final, cast

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """uvicorn's own, with an end to its patience: a client that sends a byte now and then would else stay for ever.

    How long headers may be is bounded by h11.
    """

    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._wait()

    @override
    def data_received(self, data: bytes) -> None:
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
    """uvicorn's, with the seconds that a client has for the headers of each request."""

    def __init__(self, app: Any, request_timeout: float, **named: Any) -> None:  # noqa: ANN401 - uvicorn's, handed on
        super().__init__(app, http=Connection, **named)
        self.request_timeout = request_timeout
