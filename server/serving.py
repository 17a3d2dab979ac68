"""Serving: uvicorn around the application on a bound socket, and an orderly end. Knows no command line."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from server.application import Application

GRACE_SECONDS: Final = 5
"""Requests that take longer after SIGTERM are cancelled. Without it one open stream would hold the process."""


_LARGEST_MESSAGE: Final = 65_536
"""Bytes in one WebSocket message of a client: none has anything to say there."""


class Server(uvicorn.Server):
    """uvicorn, told when it is up, and draining before it stops."""

    def __init__(self, app: FastAPI, state: dict[str, Any], on_started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",  # entered around us, so that a failed start is an exception and not a log line
                log_config=None,
                access_log=False,
                server_header=False,
                ws_max_size=_LARGEST_MESSAGE,
                ws_per_message_deflate=False,  # events are small, and a window per reader is not
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._state = state
        self._on_started = on_started

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state.update(self._state)
        await super().startup(sockets)
        self._on_started()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        application: Application = self._state["application"]
        application.draining.set()
        await super().shutdown(sockets)

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again when it is done, which would end the process before all is closed
        yield


async def run_server(app: FastAPI, bound: socket.socket, on_started: Callable[[], None], stop: asyncio.Event) -> None:
    """Opens the application, serves it until `stop` is set, and closes it."""
    async with app.router.lifespan_context(app) as state:
        server = Server(app, dict(state or {}), on_started)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        finally:
            stopping.cancel()
