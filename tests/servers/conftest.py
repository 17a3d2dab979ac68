"""Fixtures for the built-in servers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postgres_shop import PostgresShop, open_postgres_shop


@pytest.fixture(scope="session")
def postgres_shop() -> Iterator[PostgresShop]:
    # not below pytest's own folder: each pytest run closes that to other users, and PostgreSQL never runs as root
    with tempfile.TemporaryDirectory(prefix="postgres-shop-") as folder, open_postgres_shop(Path(folder)) as shop:
        yield shop
