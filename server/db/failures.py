"""What drivers raise, in words for people. The one place that knows how databases spell their troubles."""

import sqlite3
from collections.abc import Awaitable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from server.errors import Unavailable

T = TypeVar("T")
_FULL: Final = frozenset({"53100", "SQLITE_FULL"})
_BUSY: Final = frozenset({"SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED", "53300", "40P01", "40001"})
_READ_ONLY: Final = frozenset({"SQLITE_READONLY", "SQLITE_READONLY_DBMOVED", "SQLITE_READONLY_DIRECTORY"})
_DAMAGED: Final = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT"})
_OUTAGES_OF_PSYCOPG: Final = frozenset({"psycopg.OperationalError", "psycopg.InterfaceError"})
"""By their names: who has no PostgreSQL is spared the driver, a twentieth of the whole start."""
_OUR_MISTAKE: Final = "SQLITE_ERROR"
"""Bad SQL, which Python's sqlite3 calls operational too: a bug of ours must not pass for an outage."""


def find_outage(error: BaseException) -> BaseException | None:
    """Returns the error in the chain that says the database is at fault, and not what it was asked to do.

    The chain matters: when SQLite runs out of disk it drops the transaction, and undoing a savepoint fails after that.
    """
    links = [error]
    for link in links:
        if _is_outage(link):
            return link
        # Both: a driver's error is the cause of SQLAlchemy's, and what happened before it is only the context.
        links += [each for each in (link.__cause__, link.__context__) if each and each not in links]
    return None


async def telling(work: Awaitable[T], errors: type[Exception] = sqlite3.Error) -> T:
    """Returns what `work` does on a driver of its own, of which `errors` come.

    Raises:
        Unavailable: the database cannot do its work.
    """
    try:
        return await work
    except errors as error:
        if outage := find_outage(error):
            raise unavailable(outage) from error
        raise


def unavailable(error: BaseException) -> Unavailable:
    """Returns the error that clients are shown when the database cannot do its work."""
    code = _code(error)
    if code in _FULL:
        return Unavailable("disk_full", "The disk is full; free some space, then try again.", retry_after=30)
    if code in _BUSY:
        detail = "The database is busy; try again in a moment."
    elif code in _READ_ONLY:
        detail = "The database cannot be written; make its file and its folder writable."
    elif code in _DAMAGED:
        detail = "The database's file is damaged or no database at all; restore it, or choose another DATABASE_URL."
    else:
        detail = "The database cannot be reached; check that it is there and that DATABASE_URL is right."
    return Unavailable("database_unavailable", detail, retry_after=2)


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, SQLAlchemyError):
        if isinstance(error, OperationalError | InterfaceError):
            return _code(error) != _OUR_MISTAKE
        if isinstance(error, DBAPIError):
            return error.connection_invalidated or _code(error) in _DAMAGED
        return isinstance(error, PoolTimeout | PendingRollbackError)
    if isinstance(error, sqlite3.DatabaseError):  # LangGraph's stores speak to the drivers themselves
        return _code(error) in _DAMAGED or (
            isinstance(error, sqlite3.OperationalError) and _code(error) != _OUR_MISTAKE
        )
    return any(f"{kind.__module__}.{kind.__name__}" in _OUTAGES_OF_PSYCOPG for kind in type(error).__mro__)


def _code(error: BaseException) -> str | None:
    """Returns the SQLSTATE of PostgreSQL or the name of SQLite's error code."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return code if isinstance(code, str) else None
