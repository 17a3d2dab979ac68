"""What `open-agent serve` does once all is checked. Imported only then: it brings in the whole product, in seconds."""

import asyncio
import signal
import socket
from contextlib import suppress

from config.settings import Settings
from server.app import build_app
from server.banner import build_banner
from server.keys import load_api_keys
from server.listening import address_of
from server.logs import configure_logs, find_secrets
from server.serving import run_server


async def serve_until_told(settings: Settings, bound: socket.socket) -> None:
    """Serves until SIGINT or SIGTERM. Raises what `open_application` raises."""
    keys = load_api_keys(settings)
    configure_logs(settings.log_level, settings.log_format, find_secrets(settings, keys))

    def show_banner() -> None:
        generated = None if settings.api_keys else keys[0].key.get_secret_value()
        print(build_banner(address_of(bound), generated), flush=True)

    stop = asyncio.Event()
    running = asyncio.create_task(run_server(build_app(settings), bound, show_banner, stop))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop, running)
    with suppress(asyncio.CancelledError):
        await running


def _stop(stop: asyncio.Event, running: asyncio.Task[None]) -> None:
    """The first signal asks for an orderly end, the second one insists."""
    if stop.is_set():
        running.cancel()
    stop.set()
