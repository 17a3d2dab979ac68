"""Database addresses as people write them, and as drivers want them. Connects to nothing."""

import re
from pathlib import Path
from typing import Final

from config.checkout import from_checkout

_SCHEMES: Final = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "postgresql+psycopg": "postgresql",
}
_LIMIT: Final = re.compile(r"max_page_count=([1-9][0-9]{0,9})")
_ASYNC: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def parse_database_url(url: str) -> str:
    """Returns the address with a plain scheme and, for SQLite, the absolute path of its file.

    Raises:
        ValueError: it names no database that is supported; the message does not repeat it (it may hold a password).
    """
    scheme, separator, rest = url.partition("://")
    plain = _SCHEMES.get(scheme.lower()) if separator else None
    if plain is None:
        raise ValueError("expected sqlite:///path/to/file.db or postgresql://user:password@host/database")
    if plain == "postgresql":
        return f"{plain}://{rest}"
    path, separator, options = rest.partition("?")
    if separator and not _LIMIT.fullmatch(options):
        raise ValueError("expected nothing after ? but max_page_count and a number")
    return f"{plain}:///{_sqlite_file(path)}{separator}{options}"


def _sqlite_file(rest: str) -> Path:
    name = rest.removeprefix("/")
    if not rest.startswith("/") or not name or name.startswith(":memory:"):
        raise ValueError("expected the path of a file after sqlite:///, such as sqlite:///data/app.db")
    return from_checkout(Path(name))


def find_sqlite_file(url: str) -> Path | None:
    """Returns the file of a parsed SQLite address; None for a server's."""
    scheme, _, rest = url.partition("://")
    return Path(rest.partition("?")[0].removeprefix("/")) if scheme == "sqlite" else None


def find_page_limit(url: str) -> int | None:
    """Returns how many pages of 4 KiB a parsed SQLite address lets its file grow to."""
    found = _LIMIT.fullmatch(url.partition("?")[2]) if url.startswith("sqlite") else None
    return int(found[1]) if found else None


def async_database_url(url: str) -> str:
    """Returns a parsed address for SQLAlchemy's asynchronous drivers."""
    scheme, _, rest = url.partition("://")
    return f"{_ASYNC[scheme]}://{rest}"
