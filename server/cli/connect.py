"""`open-agent connect`: puts open-agent into a running Open WebUI, ready to chat."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from config.api_keys import ApiKey
from config.checkout import CHECKOUT
from config.settings import Settings
from server.cli.remote import address_of_settings
from server.cli.settings import settings_or_exit, stop_with
from server.cli.webui import FUNCTION, UNREACHABLE, WebUIError, open_webui
from server.keys import load_api_keys, where_the_key_is

_FOLDER: Final = CHECKOUT / "integrations" / "open_webui"
PIPE: Final = _FOLDER / "pipe.py"
HEADERS: Final = _FOLDER / "connection-headers.json"
ROUTER_MODEL: Final = "open-agent"

WebUIArgument = Annotated[str, typer.Argument(metavar="URL", help="Open WebUI's address, as seen from here.")]
AddressOption = Annotated[
    str | None, typer.Option(help="open-agent's address, as seen from Open WebUI.", show_default="HOST and PORT")
]
EmailOption = Annotated[
    str,
    typer.Option(envvar="OPEN_WEBUI_EMAIL", help="An admin of Open WebUI; made if it has no user yet."),
]
PasswordOption = Annotated[
    str | None,
    typer.Option(envvar="OPEN_WEBUI_PASSWORD", help="Their password.", show_default="open-agent's API key"),
]


def connect(
    open_webui_url: WebUIArgument,
    address: AddressOption = None,
    email: EmailOption = "admin@localhost",
    password: PasswordOption = None,
) -> None:
    """Put the pipe into a running Open WebUI, ready to chat.

    Its agents are models there then, and the router is the model of new chats. May be run again: after an update of
    open-agent, or with another key.
    """
    settings = settings_or_exit()
    key = _choose(load_api_keys(settings))
    try:
        agents = asyncio.run(
            _connect(settings, open_webui_url, address or address_of_settings(settings), key, (email, password or key))
        )
    except WebUIError as error:
        stop_with(str(error))
    print(f"Open WebUI has {len(agents)} agents now: {', '.join(agents)}.")
    print(
        f"Sign in as {email}; the password is {'yours' if password else f'the API key ({where_the_key_is(settings)})'}."
    )


async def _connect(settings: Settings, url: str, address: str, key: str, admin: tuple[str, str]) -> Sequence[str]:
    secret = settings.openwebui_jwt_secret
    valves = {"BASE_URL": address, "API_KEY": key, "USER_TOKEN_SECRET": secret.get_secret_value() if secret else ""}
    async with open_webui(url, *admin) as webui:
        await webui.install_pipe(PIPE.read_text(), valves)
        await webui.enter_connection(f"{address}/v1", key, json.loads(HEADERS.read_text()))
        agents = await webui.agents()
        if not agents or UNREACHABLE in agents:
            raise WebUIError(f"Open WebUI does not reach open-agent at {address}: say where it is, with --address")
        await webui.choose_default_model(f"{FUNCTION}.{ROUTER_MODEL}")
    return agents


def _choose(keys: Sequence[ApiKey]) -> str:
    """A service's key if there is one: Open WebUI needs no more than that."""
    chosen = next((key for key in keys if key.role == "service"), keys[0])
    return chosen.key.get_secret_value()
