"""`open-agent serve`: checks what can be checked, then serves until it is told to stop."""

import asyncio
import signal
import socket
from contextlib import suppress
from typing import Annotated

import typer

from config.errors import ConfigError
from config.settings import Settings
from server.app import build_app
from server.banner import build_banner
from server.cli.settings import settings_or_exit, stop_with
from server.cli.weights import pull_needed_weights
from server.composition import load_configuration
from server.errors import ApiError
from server.keys import load_api_keys
from server.logs import configure_logs, find_secrets
from server.serving import CannotListen, address_of, bind, run_server

HostOption = Annotated[str | None, typer.Option(help="The address to listen on.", show_default="HOST, or 127.0.0.1")]
PortOption = Annotated[int | None, typer.Option(help="The port; 0 takes a free one.", show_default="PORT, or 8000")]


def serve(host: HostOption = None, port: PortOption = None) -> None:
    """Start the server and print its address, the API key and a line to try it with."""
    settings = settings_or_exit(host=host, port=port)
    try:
        configuration = load_configuration(settings)
        bound = bind(settings.host, settings.port)
        pull_needed_weights(settings, configuration.agents)
        asyncio.run(_serve(settings, bound))
    except ConfigError as error:
        stop_with(str(error), code=2)
    except (CannotListen, ApiError) as error:
        stop_with(str(error))
    except OSError as error:
        stop_with(
            f"{error.filename or settings.data_dir}: {error.strerror}. DATA_DIR must be a folder we may write to."
        )


async def _serve(settings: Settings, bound: socket.socket) -> None:
    keys = load_api_keys(settings)
    configure_logs(settings.log_level, settings.log_format, find_secrets(settings, keys))

    def show_banner() -> None:
        key = None if settings.api_keys else keys[0].key.get_secret_value()
        print(build_banner(address_of(bound), key), flush=True)

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
