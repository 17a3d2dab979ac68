"""A run's log over WebSocket: each message is the stored JSON of one event, the same that `server/sse.py` sends.

A pure consumer of `engine.follow`; a lost reader ends here, never the work.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Final

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from graph.events import TERMINAL
from server.errors import ApiError, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from server.sse import Logged, end_tasks

PROTOCOL: Final = "open-agent.events"
"""What a browser offers, and is given, beside its key."""
_KEY_PROTOCOL: Final = "open-agent.key."
"""Before a key as base64url: a browser can send no header but the list of protocols, and a URL would be logged."""

ENDED: Final = 1000
RESTARTING: Final = 1012
_BROKEN: Final = 1011
_FAREWELL_SECONDS: Final = 1.0
"""For the word of why it closes to get into the buffers of a reader that takes little."""
_CODES: Final[dict[type[ApiError], int]] = {
    Invalid: 4400,
    Unauthenticated: 4401,
    Forbidden: 4403,
    NotFound: 4404,
    Unavailable: 1013,
}
"""4000 and the HTTP status; what WebSocket has a word of its own for keeps that."""

_log = structlog.stdlib.get_logger("server.websocket")


def find_key(protocols: Sequence[str]) -> str | None:
    """Returns the key among the offered protocols."""
    for protocol in protocols:
        if protocol.startswith(_KEY_PROTOCOL):
            encoded = protocol.removeprefix(_KEY_PROTOCOL)
            with suppress(binascii.Error, UnicodeDecodeError):
                return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    return None


async def accept(socket: WebSocket) -> None:
    # A browser that offers protocols takes no connection without one of them.
    await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)


async def refuse(socket: WebSocket, error: ApiError) -> None:
    """Opens the connection to say why it closes: a browser is not shown how a handshake was answered."""
    await accept(socket)
    await socket.close(_CODES[type(error)], error.code)


async def send_events(
    socket: WebSocket, events: AsyncGenerator[Logged, None], draining: asyncio.Event, patience: float
) -> None:
    """Sends the events on an accepted socket and closes it with a code that says what there is to do next."""
    sending = asyncio.create_task(_send(socket, events, patience))
    leaving = asyncio.create_task(_gone(socket))
    drained = asyncio.create_task(draining.wait())
    try:
        await asyncio.wait({sending, leaving, drained}, return_when=asyncio.FIRST_COMPLETED)
        ending = _ending(sending) if sending.done() else (RESTARTING, "restarting")
        if ending and not leaving.done():
            await _close(socket, *ending)
    finally:
        await end_tasks(sending, leaving, drained)


async def _send(socket: WebSocket, events: AsyncGenerator[Logged, None], patience: float) -> bool:
    """Returns whether the reader has all there will ever be: no event is left, or the terminal one was sent."""
    last = None
    async with aclosing(events):
        async for event in events:
            async with asyncio.timeout(patience):
                await socket.send_text(event.json)
            last = event
    return last is None or last.type in TERMINAL


def _ending(sending: asyncio.Task[bool]) -> tuple[int, str] | None:
    """Returns how the connection is closed once nothing more is sent; None for a reader that is not there to hear."""
    match sending.exception():
        case None:
            return (ENDED, "ended") if sending.result() else (RESTARTING, "restarting")
        case ApiError() as refused:
            return _CODES[type(refused)], refused.code
        case TimeoutError() | WebSocketDisconnect():
            return None
        case error:
            _log.error("a reader's socket broke", exc_info=error)
            return _BROKEN, "internal_error"


async def _gone(socket: WebSocket) -> None:
    """Returns when the client has left; what it says meanwhile is nothing we wait for."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await socket.close(code, reason)
