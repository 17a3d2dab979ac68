"""The role that the sql server reads PostgreSQL with: one that may do more is told of, at start and in health."""

import logging
import re
import sys
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from config.checkout import CHECKOUT
from config.redaction import Redactor
from mcp_config.entries.server_config import ServerConfig
from mcp_config.servers.sql.database import Limits
from mcp_config.servers.sql.postgres import PostgresDatabase
from tests.mcp_config.rig import open_rig
from tests.support.postgres_shop import PostgresShop

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres_shop")]
WRITERS = {
    "rights on a table": ("CREATE ROLE {0} LOGIN; GRANT SELECT, INSERT ON orders TO {0}", "orders"),
    "rights on a column": ("CREATE ROLE {0} LOGIN; GRANT UPDATE (total) ON orders TO {0}", "orders"),
    "rights on a sequence": ("CREATE ROLE {0} LOGIN; GRANT USAGE ON SEQUENCE tickets TO {0}", "tickets"),
    "rights on all": ("CREATE ROLE {0} LOGIN; GRANT pg_write_all_data TO {0}", "categories, customers, order_items, …"),
    "its own table": ("CREATE ROLE {0} LOGIN; CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO {0}", "mine"),
}
MAKE_ONE = "CREATE ROLE sql_agent LOGIN PASSWORD '…'; GRANT pg_read_all_data TO sql_agent;"


def _sql(url: str) -> ServerConfig:
    command = (sys.executable, "-m", "mcp_config.servers.sql")
    env = {"PYTHONPATH": str(CHECKOUT), "SQL_AGENT_DATABASE_URL": url}
    return ServerConfig("sql", "stdio", command, env, prefix="sql")


def _url(shop: PostgresShop, role: str) -> str:
    parts = urlsplit(shop.superuser_url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


def _execute(shop: PostgresShop, statements: str) -> None:
    with closing(psycopg.connect(shop.superuser_url, autocommit=True)) as connection:
        connection.execute(statements.encode())


@pytest.mark.parametrize("case", WRITERS)
def test_a_role_that_may_write_is_told_of_with_what_to_do(case: str, postgres_shop: PostgresShop) -> None:
    statements, named = WRITERS[case]
    role = f"writer_{re.sub('[^a-z]', '_', case)}"
    _execute(postgres_shop, statements.format(role))
    try:
        warning = PostgresDatabase(_url(postgres_shop, role), Limits()).find_warning()
    finally:
        _execute(postgres_shop, f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert warning is not None
    assert warning.startswith(f"The role in SQL_AGENT_DATABASE_URL may write ({named})")
    assert MAKE_ONE in warning


async def test_the_warning_is_in_the_log_at_start_and_in_the_servers_health(
    postgres_shop: PostgresShop, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with open_rig(_sql(postgres_shop.superuser_url)) as rig:
            health = rig.health("sql")
    assert (health.state, health.tools) == ("ready", 2)
    assert health.detail.startswith("No query is answered. The role in SQL_AGENT_DATABASE_URL can do more than read.")
    assert MAKE_ONE in health.detail
    assert f"MCP server sql: {health.detail}" in caplog.messages
    assert Redactor().text(health.detail) == health.detail


async def test_a_role_made_as_the_page_says_reads_and_nothing_is_told(postgres_shop: PostgresShop) -> None:
    page = (CHECKOUT / "docs" / "mcp-servers.md").read_text()
    found = re.search(r"```sql\n(.*?)```", page, re.DOTALL)
    assert found is not None
    _execute(postgres_shop, found[1].replace("sql_agent", "sql_reader"))
    try:
        async with open_rig(_sql(_url(postgres_shop, "sql_reader"))) as rig:
            assert rig.health("sql").detail == ""
            assert "500" in (await rig.call("sql__query", sql="SELECT COUNT(*) FROM orders")).content
    finally:
        _execute(postgres_shop, "DROP OWNED BY sql_reader; DROP ROLE sql_reader")
