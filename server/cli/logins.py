"""`open-agent tools servers`, `login` and `logout`: the servers that tools come from, and who we are to them."""

import asyncio
import sys
import webbrowser
from typing import Annotated, Final

import typer

from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.settings import stop_with
from server.cli.tables import build_table, one_line, open_console, print_json, safe
from server.client import Client
from server.resources.mcp_servers import McpServer, ServerLogin

_LOOK_SECONDS: Final = 1.0
ServerArgument = Annotated[str, typer.Argument(metavar="SERVER", help="Its name; `tools servers` lists them.")]
SharedOption = Annotated[
    bool, typer.Option("--shared", help="Where each user logs in: the session that lists its tools (admins only).")
]


def list_servers(url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List the MCP servers: how they are, and how the logins to them stand."""
    servers = call_server(url, key, Client.mcp_servers)
    if as_json:
        print_json(servers)
        return
    table = build_table("SERVER", "STATE", "TOOLS", "LOGIN", "DETAIL")
    for server in servers:
        table.add_row(safe(server.name), server.state, str(server.tools), _login_of(server), one_line(server.detail))
    open_console().print(table)


def log_in(
    server: ServerArgument,
    shared: SharedOption = False,
    browser: Annotated[bool, typer.Option(help="Open the address in a browser here.", show_default="on a terminal")] = (
        True
    ),
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Log in to a remote server in a browser; waits until that is done. A login that all share needs an admin's key."""

    async def go(client: Client) -> ServerLogin | None:
        begun = await client.log_in(server, shared=shared)
        typer.echo(f"Open this address and agree there:\n\n{safe(begun.authorization_url)}\n", err=True)
        if browser and sys.stderr.isatty():
            await asyncio.to_thread(webbrowser.open, begun.authorization_url)
        while True:
            login = (await client.get_mcp_server(server, shared=shared)).login
            if login is None or login.state != "pending":
                return login
            await asyncio.sleep(_LOOK_SECONDS)

    login = call_server(url, key, go)
    if login is None or login.state != "logged_in":
        stop_with(f"{server}: not logged in: {login.detail if login else 'it wants no login any more'}")
    print(f"{server}: logged in")


def log_out(server: ServerArgument, shared: SharedOption = False, url: UrlOption = None, key: KeyOption = None) -> None:
    """Forget a login, with all that was agreed on with its authorization server."""
    call_server(url, key, lambda client: client.log_out(server, shared=shared))
    print(f"{server}: logged out")


def _login_of(server: McpServer) -> str:
    if server.login is None:
        return "-"
    return f"{server.login.state}{' (your own)' if server.login.per_user else ''}"
