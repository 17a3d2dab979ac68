"""The first of two locks on a query: one SELECT of known parts on known tables, anything else is refused.

Works on the text alone. It gives good errors and stops what an engine may allow, but it is not the boundary: parsers
and engines differ, so each engine refuses writes by itself.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mcp_config.servers.sql.database import Dialect, QueryFailedError, Table, UnknownColumnError
from mcp_config.servers.sql.grammar import NAMED_FUNCTIONS, NODES, OFFERED_FUNCTIONS, ROOTS

MAX_BYTES: Final = 10_240
MAX_DEPTH: Final = 60
"""Parentheses inside each other; also keeps the parser's own recursion shallow."""

_DEFAULT_SCHEMA: Final[Mapping[Dialect, str]] = MappingProxyType({"sqlite": "main", "postgres": "public"})


def check_query(sql: str, dialect: Dialect, tables: Sequence[Table]) -> None:
    """Passes one read-only SELECT on these tables.

    Raises:
        QueryFailedError: It is anything else; the text says what to change.
    """
    root = _read_select(sql, dialect)
    for table in root.find_all(exp.Table):
        _check_table(table, dialect, tables)
    if dialect == "postgres":
        _check_columns(root, tables)


def read_tables(sql: str, dialect: Dialect) -> list[tuple[str, ...]]:
    """Returns each table that one read-only SELECT names, by all the names the catalogue may have for it.

    Raises:
        QueryFailedError: It is anything else, or has a part that is not known.
    """
    tables = _read_select(sql, dialect).find_all(exp.Table)
    return [tuple(sorted(_names(table, dialect), key=len, reverse=True)) for table in tables if not _is_cte(table)]


def used_tables(sql: str, dialect: Dialect, tables: Sequence[Table]) -> list[Table]:
    """Returns the tables a query names, for an error message; none if it cannot be read."""
    try:
        named = set().union(*(_names(table, dialect) for table in _parse(sql, dialect).find_all(exp.Table)))
    except QueryFailedError:
        return []
    return [table for table in tables if table.name.lower() in named]


def _read_select(sql: str, dialect: Dialect) -> exp.Expr:
    _check_size(sql)
    root = _parse(sql, dialect)
    if type(root) not in ROOTS:
        raise QueryFailedError("Only a SELECT is allowed; this server cannot change anything.")
    for node in root.walk():
        _check_node(node)
    return root


def _check_size(sql: str) -> None:
    if len(sql.encode(errors="replace")) > MAX_BYTES:
        raise QueryFailedError(f"The query is longer than {MAX_BYTES} bytes; write a shorter one.")
    depth = deepest = 0
    for character in sql:
        depth += (character in "([") - (character in ")]")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise QueryFailedError(f"The query nests more than {MAX_DEPTH} parentheses; write a flatter one.")


def _parse(sql: str, dialect: Dialect) -> exp.Expr:
    try:
        statements = [statement for statement in sqlglot.parse(sql, read=dialect) if statement is not None]
    except (SqlglotError, RecursionError) as error:
        raise QueryFailedError(f"The SQL cannot be read: {_first_line(error)}") from None
    if len(statements) != 1:
        raise QueryFailedError(f"Send exactly one SELECT statement, not {len(statements)}.")
    return statements[0]


def _first_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    return str(error).splitlines()[0]


def _check_node(node: exp.Expr) -> None:
    if isinstance(node, exp.Anonymous):
        if node.name.lower() not in NAMED_FUNCTIONS:
            raise _unknown_function(node.name)
    elif isinstance(node, exp.With) and node.recursive:
        raise QueryFailedError("WITH RECURSIVE is not allowed; use a plain SELECT or WITH.")
    elif isinstance(node, exp.In) and node.args.get("field") is not None:
        # SQLite reads a table there, which the parser takes for a column
        raise QueryFailedError("IN without parentheses is not allowed; write IN (SELECT column FROM table).")
    elif type(node) not in NODES:
        if isinstance(node, exp.Func):
            raise _unknown_function(node.sql_name())
        raise QueryFailedError(f"{node.key.upper()} is not allowed here; use a plain SELECT on the tables.")


def _unknown_function(name: str) -> QueryFailedError:
    return QueryFailedError(f"The function {name.lower()}() is not allowed; use these: {OFFERED_FUNCTIONS}.")


def _check_table(table: exp.Table, dialect: Dialect, tables: Sequence[Table]) -> None:
    if _is_cte(table):
        return
    if _names(table, dialect).isdisjoint(known.name.lower() for known in tables):
        offered = ", ".join(known.name for known in tables)
        raise QueryFailedError(f"no such table: {table.name}; tables: {offered}")


def _is_cte(table: exp.Table) -> bool:
    """Raises `QueryFailedError` for a function in a table's place."""
    if not isinstance(table.this, exp.Identifier):
        raise QueryFailedError("A function cannot stand where a table is expected; select from a table.")
    return not table.db and table.name.lower() in _visible_ctes(table)


def _check_columns(root: exp.Expr, tables: Sequence[Table]) -> None:
    """Refuses `o.name` where no column has that name: PostgreSQL would take it for the function call `name(o)`."""
    known = {column.name.lower() for table in tables for column in table.columns}
    known.update(alias.alias.lower() for alias in root.find_all(exp.Alias))
    known.update(
        name.name.lower() for alias in root.find_all(exp.TableAlias) for name in alias.args.get("columns") or ()
    )
    for column in root.find_all(exp.Column):
        if column.table and not isinstance(column.this, exp.Star) and column.name.lower() not in known:
            raise UnknownColumnError(f"no such column: {column.table}.{column.name}")


def _names(table: exp.Table, dialect: Dialect) -> set[str]:
    """Returns what the catalogue may call this table: the default schema can be named or left out."""
    parts = [part.name.lower() for part in table.parts]
    with_default = len(parts) == 2 and parts[0] == _DEFAULT_SCHEMA[dialect]
    return {".".join(parts), parts[-1]} if with_default else {".".join(parts)}


def _visible_ctes(table: exp.Table) -> set[str]:
    """Returns the WITH names this table can mean: those of the queries around it, made before the one it is in.

    Any other place is not enough: there the engine would read a real table of that name.
    """
    names: set[str] = set()
    node: exp.Expr = table
    while (parent := node.parent) is not None:
        if isinstance(parent, exp.With):
            own = next(place for place, cte in enumerate(parent.expressions) if cte is node)
            names.update(cte.alias.lower() for cte in parent.expressions[:own])
        elif not isinstance(node, exp.With) and (clause := parent.args.get("with_")) is not None:
            names.update(cte.alias.lower() for cte in clause.expressions)
        node = parent
    return names
