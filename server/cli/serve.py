"""`open-agent serve`: checks what can be checked at once, then brings in the product and serves."""

import asyncio
from typing import Annotated, NoReturn

import typer

from config.errors import ConfigError
from config.known_secrets import find_secrets
from config.settings import Settings
from server.banner import build_banner
from server.cli.importing import importing_much
from server.cli.settings import settings_or_exit, stop_with
from server.configuration import load_configuration
from server.errors import ApiError
from server.keys import load_api_keys
from server.listening import CannotListen, bind
from server.logs import configure_logs

HostOption = Annotated[str | None, typer.Option(help="The address to listen on.", show_default="HOST, or 127.0.0.1")]
PortOption = Annotated[int | None, typer.Option(help="The port; 0 takes a free one.", show_default="PORT, or 8000")]


def serve(host: HostOption = None, port: PortOption = None) -> None:
    """Start the server and print its address, the API key and a line to try it with."""
    settings = settings_or_exit(host=host, port=port)
    try:
        configuration = load_configuration(settings)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        bound = bind(settings.host, settings.port)

        keys = load_api_keys(settings)
        secrets = find_secrets(settings, keys, configuration.server_secrets)
        configure_logs(settings.log_level, settings.log_format, secrets)

        with importing_much():
            from server.app import build_app  # noqa: PLC0415 - seconds, and only now is it worth them
            from server.cli.process import Product, serve_until_told  # noqa: PLC0415
            from server.cli.weights import pull_needed_weights  # noqa: PLC0415

        pull_needed_weights(settings, configuration.agents)
        asyncio.run(serve_until_told(settings, bound, keys, Product(build_app, build_banner)))
    except (ConfigError, CannotListen, ApiError, OSError) as error:
        stop_for(error, settings)


def stop_for(error: Exception, settings: Settings) -> NoReturn:
    """Ends the command with one line about what stood in the way of serving."""
    match error:
        case ConfigError():
            stop_with(str(error), code=2)
        case OSError():
            where = error.filename or settings.data_dir
            stop_with(f"{where}: {error.strerror}. DATA_DIR must be a folder we may write to.")
        case _:
            stop_with(str(error))
