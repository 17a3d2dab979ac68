"""What `open-agent serve` and `open-agent gateway` do once all is checked: serve until they are told to stop."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import structlog
from fastapi import FastAPI

from config.api_keys import ApiKey
from config.settings import Settings
from server.keys import where_the_key_is
from server.listening import address_of
from server.serving import Leave, run_server

_log = structlog.stdlib.get_logger("server")


@dataclass(frozen=True)
class Product:
    """What is served: the whole, or the gateway alone."""

    build: Callable[[Settings], FastAPI]
    banner: Callable[[str, str | None], str]


async def serve_until_told(settings: Settings, bound: socket.socket, keys: Sequence[ApiKey], product: Product) -> None:
    """Serves until SIGINT or SIGTERM. Raises what opening the product raises."""

    def tell() -> None:
        if settings.log_format == "json":
            # such a log is collected and read by many: it says where the key is
            # (a field called `api_key` would be hidden)
            _log.info("open-agent is up", address=address_of(bound), key=where_the_key_is(settings))
            return
        generated = None if settings.api_keys else keys[0].key.get_secret_value()
        print(product.banner(address_of(bound), generated), flush=True)

    stop, leave = asyncio.Event(), Leave(settings.shutdown_grace_seconds)
    running = asyncio.create_task(run_server(product.build(settings), bound, tell, stop, leave))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop, leave, number)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await asyncio.wait({running}, timeout=leave.grace)
    if not running.done():
        _give_up()
    await running


def _stop(stop: asyncio.Event, leave: Leave, number: signal.Signals) -> None:
    """The first SIGTERM asks for an orderly end; a second one, or a person's Ctrl-C, for a quick one."""
    if stop.is_set() or number is signal.SIGINT:
        leave.hurried.set()
    stop.set()


def _give_up() -> NoReturn:
    """Ends the process though something in it does not end: it is safe, as it is when the power goes."""
    _log.error("could not stop in time; runs that were under way are resumed after the next start")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
