"""An agent's `policies.sql.tables`: which tables its queries may name. Decided on the text, before any server sees it.

What cannot be read for certain is denied. Which engine will read the query is not known here, so it is read as each
engine would, and must pass every time.
"""

from collections.abc import Mapping
from typing import Final, get_args

from pydantic import JsonValue

from mcp_config.servers.sql.database import Dialect, QueryFailedError

_SERVER: Final = "sql__"
_QUERY: Final = "sql"
"""The argument in which tools take a query."""
_SCHEMA: Final = "sql__schema"


def find_sql_complaint(tool: str, arguments: Mapping[str, JsonValue], tables: list[str]) -> str | None:
    """Returns why the call goes beyond the tables; None if it does not, or has nothing to do with SQL."""
    query = arguments.get(_QUERY)
    if isinstance(query, str):
        return _of_query(query, tables)
    if tool == _SCHEMA:
        return _of_schema(arguments.get("table"), tables)
    if tool.startswith(_SERVER) or _QUERY in arguments:
        return f"this agent may read only {_said(tables)}, and what this call reads cannot be known"
    return None


def _of_query(query: str, tables: list[str]) -> str | None:
    # in the default schema, which may be named: SQLite has no schema `public` that could hold another table
    allowed = {form for table in tables for form in (table.lower(), f"public.{table.lower().removeprefix('public.')}")}
    allowed |= {table.removeprefix("public.") for table in allowed}
    from mcp_config.servers.sql.guard import read_tables  # noqa: PLC0415 - the parser is big, and few agents ask for it

    for dialect in get_args(Dialect):
        try:
            named = read_tables(query.strip().removesuffix(";"), dialect)
        except QueryFailedError as failure:
            return f"this agent may read only {_said(tables)}, and the query cannot be judged: {failure}"
        if beyond := sorted(names[0] for names in named if allowed.isdisjoint(names)):
            return f"this agent may read only {_said(tables)}, not {', '.join(beyond)}"
    return None


def _of_schema(table: JsonValue, tables: list[str]) -> str | None:
    if isinstance(table, str) and table.strip().lower() in {known.lower() for known in tables}:
        return None
    return f"this agent may see only {_said(tables)}; ask for one of them by `table`"


def _said(tables: list[str]) -> str:
    return f"the tables {', '.join(tables)}" if tables else "no table at all"
