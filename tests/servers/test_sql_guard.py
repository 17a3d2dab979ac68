"""Laws of the SQL guard: it answers for every text, and what it passes is one statement that only reads."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mcp_config.servers.sql.database import Limits, QueryFailedError, Table
from mcp_config.servers.sql.guard import check_query
from mcp_config.servers.sql.shop import create_shop
from mcp_config.servers.sql.sqlite import SqliteDatabase

WORDS = """
    SELECT * FROM orders customers sqlite_master WHERE id = 1 ; -- /* */ ( ) , 'x' "country" DELETE DROP TABLE INSERT
    INTO UPDATE SET VALUES WITH RECURSIVE AS x UNION ALL PRAGMA table_info ATTACH DATABASE VACUUM load_extension
    COUNT(*) RETURNING pragma_table_info('orders')
    REPLACE LIMIT ORDER BY EXPLAIN BEGIN COMMIT :a ? NULL CASE WHEN THEN END
"""
WORD = st.sampled_from(WORDS.split())
ENGINES = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def tables(shop: Path) -> list[Table]:
    return SqliteDatabase(shop, Limits()).tables()


def passes(sql: str, tables: list[Table]) -> bool:
    try:
        check_query(sql, "sqlite", tables)
    except QueryFailedError:
        return False
    return True


@ENGINES
@given(sql=st.text(max_size=200))
@example(sql="\0")
@example(sql="SELECT '\ud800'")
@example(sql="")
def test_any_text_is_passed_or_refused_and_nothing_else(sql: str, tables: list[Table]) -> None:
    assert passes(sql, tables) in {True, False}


@pytest.mark.slow
@ENGINES
@given(words=st.lists(WORD, min_size=1, max_size=12))
@example(words=["SELECT", "*", "FROM", "orders", ";", "DROP", "TABLE", "orders"])
def test_what_is_passed_never_changes_the_database(words: list[str], shop: Path, tables: list[Table]) -> None:
    sql = " ".join(["SELECT", *words])
    if not passes(sql, tables):
        return
    # a writable copy without any lock of the engine: the guard alone must have stopped every write
    with closing(sqlite3.connect(":memory:")) as writable:
        with closing(sqlite3.connect(shop)) as source:
            source.backup(writable)
        before = list(writable.iterdump())
        try:
            writable.execute(sql).fetchmany(10)
        except (sqlite3.Error, sqlite3.Warning):
            return
        assert list(writable.iterdump()) == before


@pytest.mark.slow
@ENGINES
@given(words=st.lists(WORD, min_size=1, max_size=12))
@example(words=["DROP", "TABLE", "orders"])
@example(words=["DELETE", "FROM", "orders"])
def test_the_engine_alone_only_reads_or_refuses(words: list[str], shop: Path) -> None:
    before = shop.read_bytes()
    try:
        SqliteDatabase(shop, Limits(seconds=0.5)).select(" ".join(words))
    except QueryFailedError:
        return
    finally:
        assert shop.read_bytes() == before


@given(depth=st.integers(min_value=1, max_value=5_000))
@settings(max_examples=20, deadline=2_000)
def test_deep_nesting_is_answered_quickly(depth: int) -> None:
    passes("SELECT " + "(" * depth + "1" + ")" * depth, [])


@pytest.mark.parametrize(
    "bomb",
    [
        "SELECT " + "NOT " * 2_000 + "1",
        "SELECT " + "-" * 1 + " -" * 3_000 + "1",
        "SELECT " + "1+" * 4_000 + "1",
        "SELECT " + "CASE WHEN 1 THEN " * 300 + "1" + " END" * 300,
        "SELECT 1" + " UNION SELECT 1" * 600,
        "SELECT " + "x." * 3_000 + "x",
        "SELECT " + "'" * 5_001,
    ],
)
@pytest.mark.timeout(30)
def test_long_chains_are_answered_quickly(bomb: str) -> None:
    passes(bomb, [])
