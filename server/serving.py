"""Serving: uvicorn around the application on a bound socket, and an orderly end. Knows no command line."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, Protocol

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from server.connections import ConnectionConfig
from server.errors import Unavailable

_LONGEST_LINGERING: Final = 2.0
_REQUEST_TIMEOUT: Final = 30.0
_MOST_CONNECTIONS: Final = 4_000
_LARGEST_MESSAGE: Final = 65_536
"""Bytes in one WebSocket message of a client: none has anything to say there."""


class Drainable(Protocol):
    """What is served, as far as ending it goes."""

    @property
    def ousted(self) -> asyncio.Event:
        """Set when another process has taken over what this one works on."""

    def drain(self) -> None:
        """Begins nothing any more."""

    async def drained(self) -> None:
        """Returns once nothing is at work."""


@dataclass(frozen=True)
class Leave:
    """How the server goes once it is asked to: in parts of `grace`, or, when hurried, in no more time than it needs.

    For a moment it still answers, so that whoever sends it requests sees that it is not ready any more. Runs stop
    between two supersteps as long as there is time; then they are cancelled and resumed after the next start.
    """

    grace: float = 0.0
    hurried: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def lingering(self) -> float:
        return min(_LONGEST_LINGERING, 0.1 * self.grace)

    @property
    def requests(self) -> float:
        """Without a limit one open stream would hold the process."""
        return max(1.0, 0.2 * self.grace)

    @property
    def draining(self) -> float:
        """From the first moment on; the rest is for what is cancelled and for closing."""
        return 0.6 * self.grace

    async def wait(self, seconds: float, work: Coroutine[None, None, None] | None = None) -> None:
        """Waits so long, or until the work is done, or for no time at all when hurried."""
        tasks = [asyncio.create_task(each) for each in (_set(self.hurried), work) if each]
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Server(uvicorn.Server):
    """uvicorn, told when it is up, and draining before it stops."""

    def __init__(self, app: FastAPI, state: dict[str, Any], on_started: Callable[[], None], patience: float) -> None:
        super().__init__(
            ConnectionConfig(
                app,
                getattr(app.state, "request_timeout", _REQUEST_TIMEOUT),
                getattr(app.state, "max_connections", _MOST_CONNECTIONS),
                lifespan="off",  # entered around us, so that a failed start is an exception and not a log line
                log_config=None,
                access_log=False,
                server_header=False,
                ws_max_size=_LARGEST_MESSAGE,
                ws_per_message_deflate=False,  # events are small, and a window per reader is not
                timeout_graceful_shutdown=ceil(patience),
            )
        )
        self._state = state
        self.application: Drainable = state["application"]
        self._on_started = on_started

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state.update(self._state)
        await super().startup(sockets)
        self._on_started()

    async def leave(self, leave: Leave) -> None:
        """Drains while it still answers, closes its doors, and waits for runs that may yet come to a good place."""
        self.application.drain()
        drained = asyncio.create_task(leave.wait(leave.draining, self.application.drained()))
        await leave.wait(leave.lingering)
        self.should_exit = True
        await drained
        self.force_exit = leave.hurried.is_set()

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again when it is done, which would end the process before all is closed
        yield


async def run_server(
    app: FastAPI,
    bound: socket.socket,
    on_started: Callable[[], None],
    stop: asyncio.Event,
    leave: Leave | None = None,
) -> None:
    """Opens the application, serves it until `stop` is set, and closes it; by default at once.

    Raises:
        Unavailable: another process has taken over what this one works on; all is closed.
    """
    leave = leave or Leave()
    async with app.router.lifespan_context(app) as state:
        server = Server(app, dict(state or {}), on_started, leave.requests)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        stopping = [asyncio.create_task(_set(event)) for event in (stop, server.application.ousted)]
        try:
            await asyncio.wait({serving, *stopping}, return_when=asyncio.FIRST_COMPLETED)
            await server.leave(leave)
            await serving
        finally:
            for task in stopping:
                task.cancel()
    if server.application.ousted.is_set():
        raise Unavailable("engine_running", "Another open-agent has taken this database, so this one has stopped.")


async def _set(event: asyncio.Event) -> None:
    await event.wait()
