"""The two tools of the sql server, `schema` and `query`, and the text they answer with."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import Field

from mcp_config.servers.readable import clip_lines, format_cell, join_cells
from mcp_config.servers.serving import RefusedError
from mcp_config.servers.sql.database import (
    COUNT_LIMIT,
    Column,
    Database,
    Limits,
    QueryFailedError,
    Rows,
    Table,
    UnknownColumnError,
)
from mcp_config.servers.sql.guard import check_query, used_tables

_CELL_WIDTH: Final = 200
_EXAMPLES: Final = 3
_COUNTED_TABLES: Final = 30
_OWN_TABLES: Final = frozenset({"conversations", "runs", "tool_calls", "events"})
"""Tables that only the product's own database has together."""


class SqlTools:
    """Answers from one database. Without `guard` only the engine's own lock is left: for security tests."""

    def __init__(self, database: Database, limits: Limits, *, guard: bool = True) -> None:
        self._database = database
        self._limits = limits
        self._guard = guard

    def schema(
        self,
        table: Annotated[str, Field(description="One table, for its example rows too; empty for all tables")] = "",
    ) -> str:
        """Lists the database's tables with their columns, keys and row counts. Call it before `query`."""
        try:
            tables = self._tables()
            if not table:
                return self._describe_all(tables)
            return self._describe_one(_find(table, tables))
        except QueryFailedError as failure:
            raise RefusedError(str(failure)) from None

    def query(self, sql: Annotated[str, Field(description="One SELECT statement")]) -> str:
        """Runs one read-only SQL SELECT on the database and returns the rows. See `schema` for tables and columns."""
        statement = sql.strip().removesuffix(";")
        tables: Sequence[Table] = ()
        try:
            tables = self._tables()
            if self._guard:
                check_query(statement, self._database.dialect, tables)
            return self._format(self._database.select(statement))
        except UnknownColumnError as failure:
            raise RefusedError(self._explain(failure, statement, tables)) from None
        except QueryFailedError as failure:
            raise RefusedError(str(failure)) from None

    def _tables(self) -> list[Table]:
        tables = self._database.tables()
        if {table.name for table in tables} >= _OWN_TABLES:
            raise QueryFailedError(
                "This is open-agent's own database, which agents may not read. "
                "Set SQL_AGENT_DATABASE_URL to the database to be asked about."
            )
        return tables

    def _describe_all(self, tables: Sequence[Table]) -> str:
        counts = self._count(tables[:_COUNTED_TABLES])
        lines, more = clip_lines((_describe(table, counts) for table in tables), self._limits.characters)
        rest = [f"… {more} more tables; ask for one by name"] if more else []
        return "\n".join(lines + rest) or "The database has no tables."

    def _describe_one(self, table: Table) -> str:
        quoted = ".".join(f'"{part}"' for part in table.name.split("."))
        # the name comes from the catalogue
        examples = self._database.select(f"SELECT * FROM {quoted} LIMIT {_EXAMPLES}")  # noqa: S608
        return "\n".join([_describe(table, self._count([table])), "", "First rows:", self._format(examples)])

    def _count(self, tables: Sequence[Table]) -> dict[str, int]:
        """Returns the rows of each table, up to the first that is too slow to count, such as a heavy view."""
        counts: dict[str, int] = {}
        with contextlib.suppress(QueryFailedError):
            for table in tables:
                counts[table.name] = self._database.count(table.name)
        return counts

    def _explain(self, failure: UnknownColumnError, sql: str, tables: Sequence[Table]) -> str:
        """Adds to an unknown column which columns there are, which tables have such a one, and how to reach it."""
        used = used_tables(sql, self._database.dialect, tables)
        wanted = set(re.findall(r"\w+", str(failure).lower())) - {"column"}
        owners = [
            f"{column.name} is in {table.name}{_say_join(table, used)}"
            for table in tables
            for column in table.columns
            if table not in used and column.name.lower() in wanted
        ]
        columns = [f"columns of {table.name}: {', '.join(column.name for column in table.columns)}" for table in used]
        return "; ".join([str(failure), *columns, *owners])

    def _format(self, result: Rows) -> str:
        lines = [join_cells([format_cell(value, _CELL_WIDTH) for value in row]) for row in result.rows]
        kept, clipped = clip_lines(lines, self._limits.characters)
        more = result.more + clipped
        count = f"{more}" if result.more_is_exact else f"more than {more}"
        # A count below complete rows would be one more number to mistake for a value: small models do.
        rest = [f"… {count} more rows (use COUNT, GROUP BY, WHERE or LIMIT)"] if more else []
        return "\n".join([join_cells(result.columns), *(kept or ["(no rows)"]), *rest])


def _describe(table: Table, counts: Mapping[str, int]) -> str:
    columns = ", ".join(_format_column(column) for column in table.columns)
    count = counts.get(table.name)
    if count is None:
        return f"{table.name}: {columns}"
    return f"{table.name} ({_rows(count) if count <= COUNT_LIMIT else f'more than {COUNT_LIMIT} rows'}): {columns}"


def _say_join(table: Table, used: Sequence[Table]) -> str:
    """Returns how to get from the tables of a query to another that one of their keys names; small models need it."""
    keys = (
        f": FROM {each.name} JOIN {table.name} ON {column.references} = {each.name}.{column.name}"
        for each in used
        for column in each.columns
        if column.references and column.references.rpartition(".")[0] == table.name
    )
    return next(keys, "")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _find(name: str, tables: Sequence[Table]) -> Table:
    for table in tables:
        if table.name.lower() == name.strip().lower():
            return table
    raise QueryFailedError(f"no such table: {name}; tables: {', '.join(table.name for table in tables)}")


def _format_column(column: Column) -> str:
    key = " PRIMARY KEY" if column.primary_key else ""
    target = f" -> {column.references}" if column.references else ""
    return f"{column.name} {column.type}{key}{target}"
