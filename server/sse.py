"""A run's log as server-sent events: a pure consumer of `engine.follow`. A lost reader ends here, never the work."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final, Protocol

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

from server.errors import Invalid

HEARTBEAT_SECONDS: Final = 10.0
"""Under the 15 s that readers are promised, and the 60 s after which proxies give up."""
STALLED_SECONDS: Final = 30.0
"""A reader that takes nothing for so long is dropped; it resumes by `Last-Event-ID`."""
_READ_AHEAD_BYTES: Final = 65_536
"""Gathered for a reader that is behind; the rest waits in the log."""
RETRY: Final = b"retry: 1000\n\n"
HEARTBEAT: Final = b": still here\n\n"
BROKEN: Final = b": this reading broke; read on with Last-Event-ID\n\n"
"""A comment and no event: the run goes on, and every `data:` is an event of its log."""

_log = structlog.stdlib.get_logger("server.sse")


class Logged(Protocol):
    """One event as the log holds it."""

    @property
    def seq(self) -> int: ...

    @property
    def type(self) -> str: ...

    @property
    def json(self) -> str: ...


class EventStream(StreamingResponse):
    """The response to everyone who follows a run."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        headers: Mapping[str, str] | None = None,
        patience: float = STALLED_SECONDS,
    ) -> None:
        # nginx and its kin would hold the events back without the second one
        fixed = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(frames, headers={**fixed, **(headers or {})})
        self._frames = frames
        self._patience = patience

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self.stream_response(send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(sending, leaving)

    @override
    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._patience):
                await send(message)

        async with aclosing(self._frames):
            await super().stream_response(send_in_time)


def frame(event: Logged) -> bytes:
    """The event's frame; `data:` is the stored text untouched (JSON has no raw line breaks)."""
    return f"id: {event.seq}\nevent: {event.type}\ndata: {event.json}\n\n".encode()


def read_cursor(last_event_id: str | None, after: str | None) -> int:
    """Returns the id after which to go on; the header wins, for it is what a reconnecting browser knows.

    Raises `Invalid` for what is not a number.
    """
    given = last_event_id or after or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise Invalid("invalid_cursor", f"{given[:40]!r} is not an event id; send a number, 0 for the start.")
    return int(given)


async def frames(
    events: AsyncIterator[Logged], draining: asyncio.Event, heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncGenerator[bytes, None]:
    """Yields `retry:`, then a frame per event, with comments while nothing happens; ends early when draining."""
    yield RETRY
    try:
        async with aclosing(pulsed(_framed(events), draining, RETRY, heartbeat)) as pieces:
            async for piece in pieces:
                yield piece
    except Exception:
        _log.exception("a reader's stream broke")
        yield BROKEN


async def pulsed(
    pieces: AsyncIterator[bytes], draining: asyncio.Event, farewell: bytes, heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncGenerator[bytes, None]:
    """Yields the pieces, with comments while none comes; when draining, `farewell` is the last."""
    ahead = _ReadAhead(pieces)
    reading, drained = asyncio.create_task(ahead.read()), asyncio.create_task(draining.wait())
    for task in (reading, drained):
        task.add_done_callback(ahead.stir)
    try:
        while True:
            if gathered := ahead.take():
                yield gathered
            elif reading.done():
                reading.result()
                return
            elif drained.done():
                yield farewell
                return
            elif not await ahead.stirs(heartbeat):
                yield HEARTBEAT
    finally:
        await end_tasks(reading, drained)


class _ReadAhead:
    """What came while the last piece was on its way: it is sent in one, for a send costs more than an event does."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._gathered = bytearray()
        self._stirred, self._taken = asyncio.Event(), asyncio.Event()

    async def read(self) -> None:
        async for piece in self._pieces:
            self._gathered += piece
            self._stirred.set()
            if len(self._gathered) >= _READ_AHEAD_BYTES:
                self._taken.clear()
                await self._taken.wait()

    def take(self) -> bytes:
        taken, self._gathered = bytes(self._gathered), bytearray()
        self._stirred.clear()
        self._taken.set()
        return taken

    def stir(self, _: object = None) -> None:
        self._stirred.set()

    async def stirs(self, seconds: float) -> bool:
        """Waits until there may be something to do; false if there is not for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return False
        return True


async def _framed(events: AsyncIterator[Logged]) -> AsyncGenerator[bytes, None]:
    async for event in events:
        yield frame(event)


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:  # Any: they bring different things
    """Cancels the tasks and waits for them; what they bring or raise is nobody's any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
