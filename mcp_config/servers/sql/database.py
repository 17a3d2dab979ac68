"""What the sql server's tools need from a database, and the words for it. Knows neither SQLite nor PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

Dialect = Literal["sqlite", "postgres"]

COUNT_LIMIT: Final = 100_000
"""Rows of a table are counted up to here."""


class QueryFailedError(Exception):
    """The engine refused or gave up on a query. The text is for the model and says what to change."""


class UnknownColumnError(QueryFailedError):
    """The query names a column that is not there."""


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    primary_key: bool = False
    references: str | None = None
    """The `table.column` it is a foreign key to."""


@dataclass(frozen=True)
class Table:
    name: str
    """As a query names it: with its schema where that is needed."""
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Rows:
    """The first rows of a result."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    more: int = 0
    """How many rows there are beyond these, as far as they were counted."""
    more_is_exact: bool = True


@dataclass(frozen=True)
class Limits:
    """What one query may take."""

    rows: int = 50
    characters: int = 4_000
    seconds: float = 5.0
    counted_rows: int = 10_000
    """How far rows beyond the first ones are counted, so that the answer can say how many were left out."""


class Database(Protocol):
    """One database, opened for each call and never written to.

    Raises:
        QueryFailedError: From every method: out of time, refused, wrong, or not reachable.
    """

    dialect: Dialect

    def find_warning(self) -> str | None:
        """Returns what is unsafe about how the database is reached, and what to do. Raises nothing."""

    def tables(self) -> list[Table]: ...

    def count(self, table: str) -> int:
        """Returns the number of rows, or `COUNT_LIMIT + 1` for more than are counted."""

    def select(self, sql: str) -> Rows:
        """Runs one statement; the engine itself allows it only to read."""
