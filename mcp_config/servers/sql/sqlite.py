"""A SQLite file that can only be read: opened `mode=ro`, every access asked of an authorizer, a deadline on every step.

Holds without the guard in front of it.
"""

import contextlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from mcp_config.servers.sql.database import (
    COUNT_LIMIT,
    Column,
    Dialect,
    Limits,
    QueryFailedError,
    Rows,
    Table,
    UnknownColumnError,
)

_NAMES: Final = (
    "abs avg ceil ceiling char coalesce concat concat_ws count cume_dist date datetime dense_rank exp "
    "first_value floor format glob group_concat hex ifnull iif instr json_array_length json_extract "
    "json_type julianday lag last_value lead length like likelihood likely ln log log10 log2 lower ltrim max min mod "
    "nth_value ntile nullif percent_rank pow power printf quote rank replace round row_number rtrim sign sqrt strftime "
    "string_agg substr substring sum time timediff total trim trunc typeof unicode unixepoch unlikely upper -> ->>"
)
_FUNCTIONS: Final = frozenset(_NAMES.split())
_STEPS_BETWEEN_CHECKS: Final = 100
_MEMORY_BYTES: Final = 256 * 2**20
_LIMITS: Final = {
    # to look for one long text in another is quadratic, too: at this length it takes a second at most
    sqlite3.SQLITE_LIMIT_LENGTH: 250_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    # matching is quadratic and does not look at the deadline
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
}
_SETTINGS: Final = (
    "PRAGMA query_only = ON",
    "PRAGMA trusted_schema = OFF",
    # sorting must not fill the disk: it stays in memory, and memory is bounded
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA hard_heap_limit = {_MEMORY_BYTES}",
)

_Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


class SqliteDatabase:
    """Opens the file anew for each call, so that no call leaves anything to the next."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, limits: Limits) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._limits = limits

    def find_warning(self) -> str | None:
        return None  # the file is opened for reading, whoever may write it

    def tables(self) -> list[Table]:
        with self._open() as connection:
            return [Table(name, tuple(_columns(connection, name))) for name in _table_names(connection)]

    def count(self, table: str) -> int:
        quoted = table.replace('"', '""')
        with self._open() as connection:
            # the name is quoted and comes from the catalogue
            counted = f'SELECT count(*) FROM (SELECT 1 FROM "{quoted}" LIMIT {COUNT_LIMIT + 1})'  # noqa: S608
            return int(connection.execute(counted).fetchone()[0])

    def select(self, sql: str) -> Rows:
        with self._open() as connection:
            readable = frozenset(name.lower() for name in _table_names(connection))
            connection.set_authorizer(_authorizer(readable))
            cursor = connection.execute(sql)
            rows = cursor.fetchmany(self._limits.rows)
            columns = tuple(column[0] for column in cursor.description or ())
            more = sum(1 for _, _row in zip(range(self._limits.counted_rows + 1), cursor, strict=False))
        return Rows(columns, rows, min(more, self._limits.counted_rows), more <= self._limits.counted_rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self._uri, uri=True, isolation_level=None)) as connection:
                self._confine(connection)
                yield connection
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._failure(error) from None
        except MemoryError:  # so the module tells of SQLite's own limit
            raise QueryFailedError("The query takes too much memory; ask for less, or for shorter texts.") from None

    def _confine(self, connection: sqlite3.Connection) -> None:
        # one broken character must not cost the whole answer
        connection.text_factory = lambda text: text.decode(errors="replace")
        for category, limit in _LIMITS.items():
            connection.setlimit(category, limit)
        for setting in _SETTINGS:
            connection.execute(setting)
        deadline = time.monotonic() + self._limits.seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)

    def _failure(self, error: Exception) -> QueryFailedError:
        text = str(error)
        if text == "interrupted":
            return QueryFailedError(f"The query took longer than {self._limits.seconds:g} seconds; ask for less.")
        if "prohibited" in text or "not authorized" in text or "readonly" in text:
            return QueryFailedError(f"The database allows only reading its tables ({text}).")
        if re.match("no such column|ambiguous column", text):
            return UnknownColumnError(text)
        return QueryFailedError(text)


def _authorizer(readable: frozenset[str]) -> _Authorizer:
    def authorize(action: int, first: str | None, second: str | None, _schema: str | None, _by: str | None) -> int:
        allowed = (
            action == sqlite3.SQLITE_SELECT
            or (action == sqlite3.SQLITE_READ and first is not None and first.lower() in readable)
            or (action == sqlite3.SQLITE_FUNCTION and second is not None and second.lower() in _FUNCTIONS)
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return authorize


def _table_names(connection: sqlite3.Connection) -> list[str]:
    listed = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    return [name for (name,) in connection.execute(f"{listed} ORDER BY rowid")]


def _columns(connection: sqlite3.Connection, table: str) -> list[Column]:
    targets = {name: f"{other}.{column or 'id'}" for other, name, column in _foreign_keys(connection, table)}
    asked: Sequence[tuple[str, str, int]] = connection.execute(
        "SELECT name, type, pk FROM pragma_table_info(?)", (table,)
    ).fetchall()
    return [Column(name, type_ or "ANY", bool(key), targets.get(name)) for name, type_, key in asked]


def _foreign_keys(connection: sqlite3.Connection, table: str) -> list[tuple[str, str, str | None]]:
    asked = 'SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)'
    return list(connection.execute(asked, (table,)))
