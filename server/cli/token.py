"""`open-agent token`: API keys, made, listed and revoked in this checkout's database, or by a running server's API."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

import typer
from pydantic import ValidationError

from config.api_keys import Role
from config.settings import Settings
from server.cli.remote import JsonOption, KeyOption, call_server
from server.cli.settings import settings_or_exit, stop_with
from server.cli.tables import build_table, print_json, print_listing, safe, shown_moment
from server.client import Client
from server.db.migrating import find_version
from server.db.store import open_store
from server.db.tokens import Tokens
from server.errors import ApiError
from server.keys import COMMAND_LINE
from server.resources.pages import Page, PageQuery
from server.resources.tokens import MadeToken, NewToken, Token

T = TypeVar("T")
app = typer.Typer(help="API keys: made, listed, revoked.", no_args_is_help=True, add_completion=False)
_DATABASE: Final = "without it, this checkout's database is used, whether its server runs or not"
ServerOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", envvar="OPEN_AGENT_URL", help="Ask the server there.", show_default=_DATABASE),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Who owns what is made with it.")]
RoleOption = Annotated[Role, typer.Option("--role", help="What it may do.")]
DaysOption = Annotated[
    int | None, typer.Option("--days", min=1, max=36_500, help="For how many days it is good.", show_default="never")
]


@app.command("create")
def create(
    name: NameArgument,
    role: RoleOption = "user",
    days: DaysOption = None,
    url: ServerOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    try:
        new = NewToken(name=name, role=role, expires_at=expires_at)
    except ValidationError as error:
        stop_with(f"NAME: {error.errors()[0]['msg'].removeprefix('Value error, ')}.", code=2)
    made: MadeToken = _done(
        url, key, lambda client: client.make_token(new), lambda tokens: tokens.make(new, COMMAND_LINE)
    )
    if as_json:
        print_json(made)
    else:
        print(made.token)
        typer.echo(f"{made.id}: {made.role} {safe(made.name)}. This is the only time that it is shown.", err=True)


@app.command("list")
def list_tokens(url: ServerOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List the keys that were made, also those that are over; not those of API_KEYS."""

    async def kept(tokens: Tokens) -> list[Token]:
        found: list[Token] = []
        page: Page[Token] | None = None
        while page is None or page.has_more:
            page = await tokens.page(PageQuery(limit=100, after=page.last_id if page else None))
            found.extend(page.data)
        return found

    found = _done(url, key, Client.tokens, kept)
    if as_json:
        print_json(found)
        return
    table = build_table("KEY", "BEGINS", "NAME", "ROLE", "STATE", "LAST USED")
    for token in found:
        used = shown_moment(token.last_used_at) if token.last_used_at else "never"
        table.add_row(token.id, token.prefix, safe(token.name), token.role, _state(token), used)
    print_listing(table, "No keys were made yet. Those of API_KEYS, and the one of the first start, are not listed.")


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(metavar="KEY", help="Its id; `token list` shows it.")],
    url: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """End a key, also for a server that runs: its next request is refused."""

    async def end(tokens: Tokens) -> None:
        await tokens.revoke(token, COMMAND_LINE)

    _done(url, key, lambda client: client.revoke_token(token), end)
    print(f"{token}: revoked")


def _state(token: Token) -> str:
    if token.revoked_at:
        return "revoked"
    if not token.works_at(datetime.now(UTC)):
        return "expired"
    return f"until {shown_moment(token.expires_at)[:10]}" if token.expires_at else "works"


def _done(
    url: str | None,
    key: str | None,
    there: Callable[[Client], Awaitable[T]],
    here: Callable[[Tokens], Awaitable[T]],
) -> T:
    if url:
        return call_server(url, key, there)
    settings = settings_or_exit()
    try:
        return asyncio.run(_in_database(settings, here))
    except ApiError as error:
        stop_with(str(error))


async def _in_database(settings: Settings, work: Callable[[Tokens], Awaitable[T]]) -> T:
    if find_version(settings.database_url) == "older":
        stop_with("The database is from an earlier version; start the server once, which brings it up to date.")
    async with open_store(settings.database_url) as store:
        return await work(store.tokens)
