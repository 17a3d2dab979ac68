"""The sql server as a model meets it: schema, answers, and errors that say what to change."""

import sqlite3
from pathlib import Path

import pytest

from mcp_config.servers.sql.shop import create_shop
from tests.servers.peer import file_names, open_peer, run_to_exit
from tests.support.postgres_shop import PostgresShop

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

PER_COUNTRY = """
SELECT c.country, COUNT(*) AS orders FROM orders o JOIN customers c ON c.id = o.customer_id
GROUP BY c.country ORDER BY orders DESC
"""
PER_COUNTRY_ANSWER = """\
country | orders
Germany | 95
United States | 84
Japan | 79
France | 67
Brazil | 57
India | 48
Spain | 37
Canada | 33"""
BESTSELLERS = """
SELECT p.name, SUM(i.quantity) AS sold FROM order_items i JOIN products p ON p.id = i.product_id
GROUP BY p.id, p.name ORDER BY sold DESC LIMIT 3;
"""
BESTSELLERS_ANSWER = """\
name | sold
House Espresso 1 kg | 396
Paper Filters 100-pack | 309
Stoneware Mug | 242"""
SCHEMA = """\
categories (6 rows): id INTEGER PRIMARY KEY, name TEXT
products (40 rows): id INTEGER PRIMARY KEY, name TEXT, category_id INTEGER -> categories.id, price REAL, stock INTEGER
customers (120 rows): id INTEGER PRIMARY KEY, name TEXT, email TEXT, country TEXT, city TEXT
orders (500 rows): id INTEGER PRIMARY KEY, customer_id INTEGER -> customers.id, ordered_on DATE, status TEXT, total REAL
order_items (1148 rows): order_id INTEGER PRIMARY KEY -> orders.id, \
product_id INTEGER PRIMARY KEY -> products.id, quantity INTEGER, unit_price REAL"""
READS = [
    "SELECT strftime('%Y-%m', ordered_on) AS month, ROUND(SUM(total), 2) FROM orders GROUP BY month ORDER BY month",
    "SELECT country FROM customers WHERE city LIKE 'B%' AND id NOT IN (SELECT customer_id FROM orders) LIMIT 2",
    "WITH big AS (SELECT * FROM orders WHERE total > 100) SELECT status, COUNT(*) FROM big GROUP BY status",
    "SELECT name FROM products WHERE price = (SELECT MAX(price) FROM products)",
    "SELECT name, RANK() OVER (ORDER BY price DESC) AS place FROM products LIMIT 3",
    "SELECT CASE WHEN stock < 10 THEN 'low' ELSE 'ok' END AS level, COUNT(*) FROM products GROUP BY level",
    "SELECT name FROM categories UNION SELECT country FROM customers ORDER BY 1",
    "SELECT COUNT(DISTINCT customer_id), AVG(total), MIN(ordered_on), MAX(ordered_on) FROM main.orders",
    'SELECT COUNT(*) FROM customers WHERE country = "Germany"',
    "SELECT julianday('2025-01-02') - julianday('2025-01-01'), date('2025-01-31', '+1 month'), COALESCE(NULL, 'x')",
]


async def test_the_sample_shop_answers_without_any_configuration(tmp_path: Path) -> None:
    async with open_peer("sql", env={"DATA_DIR": str(tmp_path)}) as peer:
        assert await peer.ok("schema") == SCHEMA
        assert await peer.ok("query", sql=PER_COUNTRY) == PER_COUNTRY_ANSWER
        assert await peer.ok("query", sql=BESTSELLERS) == BESTSELLERS_ANSWER
        assert "1 | 86 | 2024-01-01 | delivered | 55.6" in await peer.ok("schema", table="Orders")


async def test_ordinary_reading_sql_passes(tmp_path: Path) -> None:
    async with open_peer("sql", env={"DATA_DIR": str(tmp_path)}) as peer:
        for sql in READS:
            await peer.ok("query", sql=sql)


async def test_both_tools_say_that_they_only_read(tmp_path: Path) -> None:
    async with open_peer("sql", env={"DATA_DIR": str(tmp_path)}) as peer:
        tools = await peer.tools()
    assert [tool.name for tool in tools] == ["schema", "query"]
    assert all(tool.annotations and tool.annotations.readOnlyHint and tool.annotations.idempotentHint for tool in tools)


async def test_errors_say_what_to_change(tmp_path: Path) -> None:
    async with open_peer("sql", env={"DATA_DIR": str(tmp_path)}) as peer:
        unknown_column = await peer.refusal("query", sql="SELECT country FROM orders")
        unknown_table = await peer.refusal("query", sql="SELECT * FROM shipments")
        unknown_function = await peer.refusal("query", sql="SELECT soundex(name) FROM customers")
        not_sql = await peer.refusal("query", sql="how many orders?")
        too_long = await peer.refusal("query", sql=f"SELECT '{'x' * 11_000}'")
        too_deep = await peer.refusal("query", sql="(" * 3_000 + "SELECT 1" + ")" * 3_000)

    assert unknown_column == (
        "no such column: country; columns of orders: id, customer_id, ordered_on, status, total; "
        "country is in customers: FROM orders JOIN customers ON customers.id = orders.customer_id"
    )
    assert unknown_table == "no such table: shipments; tables: categories, products, customers, orders, order_items"
    assert unknown_function.startswith("The function soundex() is not allowed; use these: COUNT")
    assert not_sql.startswith(("The SQL cannot be read", "Only a SELECT"))
    assert too_long == "The query is longer than 10240 bytes; write a shorter one."
    assert too_deep == "The query nests more than 60 parentheses; write a flatter one."


async def test_what_is_left_out_of_an_answer_is_counted(tmp_path: Path) -> None:
    async with open_peer("sql", "--max-rows=2", "--max-characters=300", env={"DATA_DIR": str(tmp_path)}) as peer:
        many = await peer.ok("query", sql="SELECT id FROM orders ORDER BY id")
        more = await peer.ok("query", sql="SELECT a.id FROM orders a, orders b")
        wide = await peer.ok(
            "query",
            sql="SELECT replace('aaaaaaaaaa', 'a', 'sixty characters of text that stand in one single cell … ')",
        )
        tables = await peer.ok("schema")

    assert many.splitlines() == ["id", "1", "2", "… 498 more rows (use COUNT, GROUP BY, WHERE or LIMIT)"]
    assert "… more than 10000 more rows" in more
    assert "more characters)" in wide
    assert tables.endswith("… 2 more tables; ask for one by name")


async def test_the_products_own_database_is_never_read(tmp_path: Path) -> None:
    own = tmp_path / "app.db"
    connection = sqlite3.connect(own)
    for table in ("conversations", "messages", "runs", "tool_calls", "events"):
        connection.execute(f"CREATE TABLE {table} (id TEXT)")
    connection.close()

    async with open_peer("sql", env={"SQL_AGENT_DATABASE_URL": f"sqlite:///{own}"}) as peer:
        assert "open-agent's own database" in await peer.refusal("query", sql="SELECT * FROM messages")
        assert "open-agent's own database" in await peer.refusal("schema")


async def test_a_database_of_ones_own_may_have_views_wal_and_broken_text(tmp_path: Path) -> None:
    own = tmp_path / "own data #1.db"
    connection = sqlite3.connect(own)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute('CREATE TABLE "Order Lines" (id INTEGER PRIMARY KEY, note TEXT)')
    connection.execute(
        "INSERT INTO \"Order Lines\" VALUES (1, CAST(x'ff41' AS TEXT)), (2, 'two' || char(10) || 'lines')"
    )
    connection.execute('CREATE VIEW heavy AS SELECT count(*) AS n FROM "Order Lines" a, "Order Lines" b')
    connection.commit()

    async with open_peer("sql", env={"SQL_AGENT_DATABASE_URL": f"sqlite:///{own}"}) as peer:
        schema = await peer.ok("schema")
        rows = await peer.ok("query", sql='SELECT * FROM "Order Lines"')
        view = await peer.ok("query", sql="SELECT n FROM heavy")
    connection.close()

    assert schema == "Order Lines (2 rows): id INTEGER PRIMARY KEY, note TEXT\nheavy (1 row): n ANY"
    assert rows == "id | note\n1 | \ufffdA\n2 | two lines"
    assert view == "n\n4"


async def test_a_view_too_slow_to_count_does_not_hide_the_schema(tmp_path: Path) -> None:
    shop = create_shop(tmp_path)
    connection = sqlite3.connect(shop)
    connection.execute("CREATE VIEW slow AS SELECT count(*) AS n FROM orders a, orders b, orders c, orders d")
    connection.close()

    async with open_peer("sql", "--timeout=0.3", env={"SQL_AGENT_DATABASE_URL": f"sqlite:///{shop}"}) as peer:
        lines = (await peer.ok("schema")).splitlines()
    assert lines[-1] == "slow: n ANY"
    assert lines[0].startswith("categories (6 rows)")


async def test_a_database_url_that_cannot_work_is_told_in_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    wrong_scheme = await run_to_exit("sql", {"SQL_AGENT_DATABASE_URL": "mysql://localhost/x"})
    no_file = await run_to_exit("sql", {"SQL_AGENT_DATABASE_URL": f"sqlite:///{missing}"})

    assert wrong_scheme == (1, "SQL_AGENT_DATABASE_URL must start with sqlite:/// or postgresql://\n")
    assert no_file == (1, f"SQL_AGENT_DATABASE_URL: there is no database file {missing}\n")
    assert file_names(tmp_path) == []


async def test_an_unreachable_postgres_is_an_error_of_the_call_not_of_the_server() -> None:
    async with open_peer("sql", env={"SQL_AGENT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}) as peer:
        assert (await peer.refusal("schema")).startswith("The database cannot be reached")


def test_the_sample_shop_is_the_same_everywhere_and_made_once(tmp_path: Path) -> None:
    first, second = create_shop(tmp_path / "a"), create_shop(tmp_path / "b")
    made = first.stat().st_mtime_ns

    assert list(sqlite3.connect(first).iterdump()) == list(sqlite3.connect(second).iterdump())
    assert create_shop(tmp_path / "a").stat().st_mtime_ns == made


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_postgres_answers_like_sqlite(postgres_shop: PostgresShop) -> None:
    async with open_peer("sql", "--max-rows=20", env={"SQL_AGENT_DATABASE_URL": postgres_shop.url}) as peer:
        assert await peer.ok("query", sql=PER_COUNTRY) == PER_COUNTRY_ANSWER
        assert await peer.ok("query", sql=BESTSELLERS) == BESTSELLERS_ANSWER
        assert "customer_id integer -> customers.id" in await peer.ok("schema", table="orders")
        assert "salaries" not in await peer.ok("schema")
        months = "SELECT date_trunc('month', ordered_on::date) AS month, SUM(total) FROM public.orders GROUP BY 1"
        assert "… 4 more rows" in await peer.ok("query", sql=months)
        assert "country is in customers" in await peer.refusal("query", sql="SELECT country FROM orders")
        assert "100 %" in await peer.ok(
            "query", sql="SELECT '100 %' AS share FROM orders WHERE status LIKE '%ped' LIMIT 1"
        )
