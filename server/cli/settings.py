"""Settings for a command, or a clear end: one line per mistake, exit code 2, no traceback."""

import sys
from typing import Any, NoReturn

import typer

from config.errors import ConfigError
from config.settings import Settings, load_settings


def settings_or_exit(host: str | None = None, port: int | None = None) -> Settings:
    """Returns the settings; what was given on the command line beats the environment."""
    given: dict[str, Any] = {"host": host, "port": port}  # as load_settings takes them
    try:
        return load_settings(**{name: value for name, value in given.items() if value is not None})
    except ConfigError as error:
        stop_with(str(error), code=2)


def stop_with(message: str, code: int = 1) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(code)
