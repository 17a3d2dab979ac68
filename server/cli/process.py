"""What `open-agent serve` does once all is checked. Imported only then: it brings in the whole product, in seconds."""

import asyncio
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

import structlog

from config.api_keys import ApiKey
from config.settings import Settings
from server.app import build_app
from server.banner import build_banner
from server.keys import where_the_key_is
from server.listening import address_of
from server.serving import run_server

_log = structlog.stdlib.get_logger("server")


async def serve_until_told(settings: Settings, bound: socket.socket, keys: Sequence[ApiKey]) -> None:
    """Serves until SIGINT or SIGTERM. Raises what `open_application` raises."""

    def tell() -> None:
        if settings.log_format == "json":
            # such a log is collected and read by many: it says where the key is
            _log.info("open-agent is up", address=address_of(bound), api_key=where_the_key_is(settings))
            return
        generated = None if settings.api_keys else keys[0].key.get_secret_value()
        print(build_banner(address_of(bound), generated), flush=True)

    stop = asyncio.Event()
    running = asyncio.create_task(run_server(build_app(settings), bound, tell, stop))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop, running)
    with suppress(asyncio.CancelledError):
        await running


def _stop(stop: asyncio.Event, running: asyncio.Task[None]) -> None:
    """The first signal asks for an orderly end, the second one insists."""
    if stop.is_set():
        running.cancel()
    stop.set()
