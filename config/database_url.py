"""Database addresses as people write them, and as drivers want them. Connects to nothing."""

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
    return f"{plain}:///{_sqlite_file(rest)}"


def _sqlite_file(rest: str) -> Path:
    name = rest.removeprefix("/")
    if not rest.startswith("/") or not name or name.startswith((":memory:", "?")):
        raise ValueError("expected the path of a file after sqlite:///, such as sqlite:///data/app.db")
    return from_checkout(Path(name))


def find_sqlite_file(url: str) -> Path | None:
    """Returns the file of a parsed SQLite address; None for a server's."""
    scheme, _, rest = url.partition("://")
    return Path(rest.removeprefix("/")) if scheme == "sqlite" else None


def async_database_url(url: str) -> str:
    """Returns a parsed address for SQLAlchemy's asynchronous drivers."""
    scheme, _, rest = url.partition("://")
    return f"{_ASYNC[scheme]}://{rest}"
