"""`open-agent prune`: what is past its time goes now, beside a running server or without one."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

import typer

from config.settings import Settings
from server.cli.settings import settings_or_exit, stop_with
from server.db.migrating import find_version
from server.db.retention import Removed
from server.db.store import open_store
from server.engine.checkpoints import open_checkpoints
from server.engine.sweeping import KeepFor, build_keep_for, count_sweep, sweep
from server.errors import ApiError

_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


def _parse_age(value: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dhm])", value)
    if match is None:
        raise typer.BadParameter("expected an age such as 30d, 12h or 5m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


OlderThan = Annotated[
    timedelta | None,
    typer.Option(
        parser=_parse_age,
        metavar="AGE",
        help="Runs that ended longer ago go, such as 30d or 12h.",
        show_default="RETENTION_DAYS",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")]


def prune(older_than: OlderThan = None, dry_run: DryRun = False) -> None:
    """Remove what is past its time: ended runs, temporary chats, old keys.

    Conversations and their messages stay. A running server does the same once an hour.
    """
    settings = settings_or_exit()
    keep = build_keep_for(settings.retention_days, settings.temporary_hours)
    if older_than is not None:
        keep = replace(keep, runs=older_than)
    try:
        removed = asyncio.run(_prune(settings, keep, dry_run=dry_run))
    except ApiError as error:
        stop_with(str(error))
    print(f"{'Would remove' if dry_run else 'Removed'} {_told(removed)}.")


async def _prune(settings: Settings, keep: KeepFor, *, dry_run: bool) -> Removed:
    match find_version(settings.database_url):
        case "none":
            return Removed()
        case "older":
            stop_with("The database is from an earlier version; start the server once, which brings it up to date.")
        case "current":
            pass
    work = count_sweep if dry_run else sweep
    async with (
        open_store(settings.database_url) as store,
        open_checkpoints(settings.database_url, settings.data_dir) as checkpoints,
    ):
        return await work(store.retention, checkpoints, keep)


def _told(removed: Removed) -> str:
    parts = [
        _counted(removed.runs, "run") + f" with {_counted(removed.events, 'event')}" if removed.runs else "",
        _counted(removed.conversations, "temporary conversation"),
        _counted(removed.tool_calls, "tool call by hand", "tool calls by hand"),
        _counted(removed.idempotency_keys, "idempotency key"),
        f"the checkpoints of {_counted(removed.checkpoints, 'ended run')}" if removed.checkpoints else "",
    ]
    return ", ".join(filter(None, parts)) or "nothing"


def _counted(count: int, one: str, more: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else more or f'{one}s'}" if count else ""
