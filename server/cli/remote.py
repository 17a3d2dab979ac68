"""How commands reach a running server: its address, the key, and what goes wrong in one line each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

import typer

from config.checkout import shown_path
from config.settings import Settings
from server.cli.settings import settings_or_exit, stop_with
from server.client import Client, ClientError, open_client
from server.keys import GENERATED_KEY_FILE
from server.listening import build_address

T = TypeVar("T")
INTERRUPTED: Final = 130
"""The exit code that shells know for Ctrl-C."""

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", envvar="OPEN_AGENT_URL", help="The server's address.", show_default="HOST and PORT"
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="KEY", envvar="OPEN_AGENT_API_KEY", help="The API key.", show_default="DATA_DIR/api_key"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def call_server(url: str | None, key: str | None, work: Callable[[Client], Awaitable[T]]) -> T:
    """Returns what `work` returns with a client of the server; ends the command with a line where it fails."""
    address, key = find_server(url, key)
    try:
        return asyncio.run(_call(address, key, work))
    except ClientError as error:
        stop_with(explained(error))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def find_server(url: str | None, key: str | None) -> tuple[str, str]:
    """Returns address and key: those given, else those of the server that this checkout starts."""
    if url and key:
        return url.rstrip("/"), key
    settings = settings_or_exit()
    if url and not key and urlsplit(url).hostname not in _LOOPBACK:
        stop_with(f"Give the API key of {url} with --key or OPEN_AGENT_API_KEY: the local one is not sent elsewhere.")
    return (url or address_of_settings(settings)).rstrip("/"), key or _local_key(settings)


def explained(error: ClientError) -> str:
    if error.status == 401:
        return f"{error} Give the right one with --key or OPEN_AGENT_API_KEY."
    if error.code == "unreachable":
        return f"{error}; PORT or --url says where else it may be"
    return str(error)


async def _call(address: str, key: str, work: Callable[[Client], Awaitable[T]]) -> T:
    async with open_client(address, key) as client:
        return await work(client)


def address_of_settings(settings: Settings) -> str:
    """Returns where this machine reaches the server that these settings start."""
    return build_address(settings.host, settings.port)


def find_local_key(settings: Settings) -> str | None:
    """Returns a key that this configuration's server takes; None before its first start.

    Raises:
        OSError: the generated key's file cannot be read.
    """
    if settings.api_keys:
        return settings.api_keys[0].key.get_secret_value()
    try:
        return (settings.data_dir / GENERATED_KEY_FILE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _local_key(settings: Settings) -> str:
    file = shown_path(settings.data_dir / GENERATED_KEY_FILE)
    try:
        key = find_local_key(settings)
    except OSError as error:
        stop_with(f"{file} cannot be read ({error.strerror}): give the API key with --key.")
    if key is None:
        stop_with(f"There is no API key in {file}: start the server with `make run`, or give --key.")
    return key
