"""The database: it opens, can be written, and is of this version. Nothing in it is changed."""

import asyncio
from pathlib import Path

from config.settings import Settings
from server.cli.checks.finding import Finding, fault, ok
from server.cli.checks.machine import nearest_folder
from server.db.migrating import find_version
from server.errors import ApiError


async def check_database(settings: Settings) -> Finding:
    kind, _, place = settings.database_url.partition("://")
    shown = place.removeprefix("/") if kind == "sqlite" else "PostgreSQL"
    if kind == "sqlite" and not nearest_folder(Path(shown).parent).is_dir():
        return fault("database", f"{shown} cannot be made: its folder is a file; set DATA_DIR or DATABASE_URL")
    try:
        version = await asyncio.to_thread(find_version, settings.database_url)
    except ApiError as error:
        return fault("database", f"{shown}: {error}")
    meaning = {
        "none": "is not there yet: the first start makes it",
        "older": "is of an older version: the next start brings it up to date",
        "current": "opens, can be written and is up to date",
    }
    return ok("database", f"{shown} {meaning[version]}")
