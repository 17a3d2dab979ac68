"""Brings a database to the version this code needs, in one transaction. Runs in a thread: Alembic is synchronous."""

import threading
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from config.database_url import parse_database_url
from server.db.database import POSTGRESQL_TEXT, configure_sqlite, prepare_file
from server.db.failures import find_outage, unavailable
from server.errors import Unavailable

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME: Final = threading.Lock()
"""Alembic's `op` is one per process, so two databases cannot be migrated side by side."""
_ADVISORY_LOCK: Final = 0x6F70656E
"""A number all processes agree on: two of them must not migrate one PostgreSQL database at once."""


def migrate(url: str, target: str = "head") -> None:
    """Moves the database at `url` up to `target`, or down if that is older. At `head` already, nothing happens.

    Raises:
        Unavailable: it cannot be opened or written, or a newer version of the program made it.
    """
    address = make_url(parse_database_url(url))
    prepare_file(address)
    engine = _engine(address)
    try:
        with _ONE_AT_A_TIME, engine.begin() as connection:
            _move(connection, target)
    except SQLAlchemyError as error:
        if outage := find_outage(error):
            raise unavailable(outage) from error
        raise


def find_version(url: str) -> Literal["none", "older", "current"]:
    """Returns how the database's version stands to this code's. Opens it as for writing, and changes nothing.

    Raises:
        Unavailable: as `migrate` does.
    """
    address = make_url(parse_database_url(url))
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return "none"
    engine = _engine(address)
    try:
        with engine.begin() as connection:
            present = _present(connection)
    except SQLAlchemyError as error:
        if outage := find_outage(error):
            raise unavailable(outage) from error
        raise
    if present is None:
        return "none"
    return "current" if present == _known()[-1] else "older"


def _engine(address: URL) -> Engine:
    if address.get_backend_name() == "sqlite":
        engine = create_engine(address.set(query={}), poolclass=NullPool)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    else:
        sync = address.set(drivername="postgresql+psycopg")
        engine = create_engine(sync, poolclass=NullPool, connect_args=POSTGRESQL_TEXT)
        lock = text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=_ADVISORY_LOCK)
        event.listen(engine, "begin", lambda connection: connection.execute(lock))
    return engine


def _configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    configure_sqlite(connection)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")  # a table that is made anew must not take its children along
    cursor.close()


def _known() -> list[str]:
    """Returns the versions that this code knows, the oldest first. Each migration's file begins with its own."""
    return sorted(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("*.py"))


def _present(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    present = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if present is not None and present not in _known():
        detail = "A newer version of open-agent made this database; update the program, or choose another DATABASE_URL."
        raise Unavailable("database_newer", detail)
    return present


def _move(connection: Connection, target: str) -> None:
    known, present = _known(), _present(connection)
    wanted = known[-1] if target == "head" else target
    if present == wanted:
        return
    # Alembic is a tenth of the whole start, and most starts find nothing to do
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if wanted == "base" or (present and known.index(wanted) < known.index(present)):
        command.downgrade(config, wanted)
    else:
        command.upgrade(config, wanted)
