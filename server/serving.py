"""Serving: a bound socket, uvicorn around the application, and an orderly end. Knows no command line."""

import asyncio
import errno
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


class CannotListen(Exception):
    """The address cannot be had; `str(error)` says what to do."""


def bind(host: str, port: int) -> socket.socket:
    """Returns a bound socket that does not listen yet: until it does, clients are refused and not left waiting.

    Raises `CannotListen`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as error:
        raise CannotListen(f"HOST={host} is not an address of this machine: {error.strerror}.") from error
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise CannotListen(_why_not(host, port, error)) from error
    return bound


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken. Stop what listens there, or choose another: make run PORT={port + 1}"
    if error.errno == errno.EACCES:
        return f"Port {port} needs root. Choose one from 1024 up: make run PORT=8000"
    return f"HOST={host} PORT={port} cannot be listened on: {error.strerror}."


def address_of(bound: socket.socket) -> str:
    """Returns the URL under which this machine reaches the socket."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
