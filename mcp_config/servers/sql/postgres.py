"""A PostgreSQL database that can only be read: a plain role, a read-only transaction, timeouts, a server-side cursor.

Holds without the guard in front of it: `DECLARE … CURSOR FOR` takes one SELECT and nothing else.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

import psycopg
from psycopg import errors, sql

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

_CONNECT_SECONDS: Final = 5
_CURSOR: Final = "answer"
_POWERFUL: Final = """
SELECT r.rolsuper OR r.rolreplication OR EXISTS (
    SELECT 1 FROM pg_roles p
    WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
      AND pg_has_role(r.oid, p.oid, 'MEMBER'))
FROM pg_roles r WHERE r.rolname = session_user
"""
_COLUMNS: Final = """
SELECT CASE WHEN pg_table_is_visible(t.oid) THEN t.relname ELSE n.nspname || '.' || t.relname END,
       a.attname, format_type(a.atttypid, a.atttypmod),
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
       (SELECT f.relname || '.' || fa.attname
        FROM pg_constraint k
        JOIN pg_class f ON f.oid = k.confrelid
        JOIN pg_attribute fa ON fa.attrelid = f.oid AND fa.attnum = k.confkey[1]
        WHERE k.conrelid = t.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] LIMIT 1)
FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE t.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT t.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(t.oid, a.attnum, 'SELECT')
ORDER BY n.nspname, t.relname, a.attnum
"""
_WRITABLE: Final = """
SELECT CASE WHEN pg_table_is_visible(t.oid) THEN t.relname ELSE n.nspname || '.' || t.relname END
FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND CASE WHEN t.relkind IN ('r', 'v', 'm', 'p', 'f')
           THEN has_table_privilege(t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                OR has_any_column_privilege(t.oid, 'INSERT, UPDATE')
           WHEN t.relkind = 'S' THEN has_sequence_privilege(t.oid, 'USAGE, UPDATE') END
ORDER BY t.relkind DESC, n.nspname, t.relname LIMIT 4
"""
_MAKE_ONE: Final = (
    "Make one of its own: CREATE ROLE sql_agent LOGIN PASSWORD '…'; GRANT pg_read_all_data TO sql_agent; "
    "and name it in SQL_AGENT_DATABASE_URL."
)
_OWN_ROLE: Final = f"The role in SQL_AGENT_DATABASE_URL can do more than read. {_MAKE_ONE}"

_Connection = psycopg.Connection[tuple[object, ...]]


class TooPowerfulError(QueryFailedError): ...


class PostgresDatabase:
    """Connects anew for each call, so that no call leaves anything to the next."""

    dialect: Dialect = "postgres"

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url
        self._limits = limits

    def find_warning(self) -> str | None:
        try:
            with self._open() as connection:
                names = [str(name) for (name,) in connection.execute(_WRITABLE)]
        except TooPowerfulError as refusal:
            return f"No query is answered. {refusal}"
        except QueryFailedError:
            return None  # not reachable: each call says so
        if not names:
            return None
        some = ", ".join([*names[:3], *(["…"] if names[3:] else [])])
        return (
            f"The role in SQL_AGENT_DATABASE_URL may write ({some}); only the sql tools keep it from that. {_MAKE_ONE}"
        )

    def tables(self) -> list[Table]:
        found: dict[str, list[Column]] = {}
        with self._open() as connection:
            for table, name, type_, key, target in connection.execute(_COLUMNS):
                column = Column(str(name), str(type_), bool(key), str(target) if target else None)
                found.setdefault(str(table), []).append(column)
        return [Table(name, tuple(columns)) for name, columns in found.items()]

    def count(self, table: str) -> int:
        limited = sql.SQL("SELECT 1 FROM {} LIMIT {}").format(sql.Identifier(*table.split(".")), COUNT_LIMIT + 1)
        with self._open() as connection:
            row = connection.execute(sql.SQL("SELECT count(*) FROM ({}) AS counted").format(limited)).fetchone()
        return int(str(row[0])) if row else 0

    def select(self, sql: str) -> Rows:
        with self._open() as connection, connection.cursor(_CURSOR) as cursor:
            # as bytes: the driver looks for no parameters in it
            cursor.execute(sql.encode())
            rows = cursor.fetchmany(self._limits.rows)
            columns = tuple(column.name for column in cursor.description or ())
            more = connection.execute(f"MOVE FORWARD {self._limits.counted_rows + 1} FROM {_CURSOR}".encode()).rowcount
        return Rows(columns, rows, min(more, self._limits.counted_rows), more <= self._limits.counted_rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Connection]:
        try:
            with contextlib.closing(self._connect()) as connection, self._deadline(connection):
                _refuse_powerful(connection)
                yield connection
        except psycopg.Error as error:
            raise self._failure(error) from None

    def _connect(self) -> _Connection:
        milliseconds = round(self._limits.seconds * 1000)
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds + 5_000,
            "work_mem": "16MB",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        connection = psycopg.connect(
            self._url,
            connect_timeout=_CONNECT_SECONDS,
            options=options,
            client_encoding="UTF8",  # also from a server that was made without an encoding
        )
        connection.read_only = True
        return connection

    @contextlib.contextmanager
    def _deadline(self, connection: _Connection) -> Iterator[None]:
        """Cancels from this side too: a query may lift the timeouts of its own session."""
        timer = threading.Timer(self._limits.seconds + 0.5, connection.cancel_safe, kwargs={"timeout": 2.0})
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _failure(self, error: psycopg.Error) -> QueryFailedError:
        text = error.diag.message_primary or str(error).strip().partition("\n")[0]
        match error:
            case errors.QueryCanceled():
                return QueryFailedError(f"The query took longer than {self._limits.seconds:g} seconds; ask for less.")
            case errors.ReadOnlySqlTransaction() | errors.InsufficientPrivilege():
                return QueryFailedError(f"The database allows only reading its tables ({text}).")
            case errors.UndefinedColumn() | errors.AmbiguousColumn():
                return UnknownColumnError(text)
            case psycopg.OperationalError() if error.sqlstate is None:
                return QueryFailedError(f"The database cannot be reached: {text}")
            case _:
                return QueryFailedError(text)


def _refuse_powerful(connection: _Connection) -> None:
    row = connection.execute(_POWERFUL).fetchone()
    if row is None or row[0]:
        raise TooPowerfulError(_OWN_ROLE)
