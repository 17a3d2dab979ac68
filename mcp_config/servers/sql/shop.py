"""Makes the sample shop database, so that questions work before anything is configured."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from mcp_config.servers.sql.shop_rows import CATEGORIES, build_customers, build_orders, build_products

_FILE: Final = "sample-shop.db"
_TABLES: Final = """
CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, category_id INTEGER NOT NULL REFERENCES categories (id),
    price REAL NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, country TEXT NOT NULL, city TEXT NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id),
    ordered_on DATE NOT NULL, status TEXT NOT NULL, total REAL NOT NULL);
CREATE TABLE order_items (
    order_id INTEGER NOT NULL REFERENCES orders (id), product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL, unit_price REAL NOT NULL, PRIMARY KEY (order_id, product_id));
CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE INDEX items_by_product ON order_items (product_id);
"""


def create_shop(data_dir: Path) -> Path:
    """Returns the path of the sample database; makes it if it is not there yet, whole or not at all."""
    path = data_dir / _FILE
    if path.exists():
        return path
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".shop-") as folder:
        made = Path(folder, _FILE)
        with contextlib.closing(sqlite3.connect(made)) as connection, connection:
            _fill(connection)
        made.replace(path)
    return path


def _fill(connection: sqlite3.Connection) -> None:
    connection.executescript(_TABLES)
    connection.executemany("INSERT INTO categories VALUES (?, ?)", enumerate(CATEGORIES, start=1))
    connection.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?)", build_products())
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", build_customers())
    for order in build_orders():
        row = (order.id, order.customer_id, order.ordered_on, order.status, order.total)
        connection.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", row)
        items = [(order.id, *item) for item in order.items]
        connection.executemany("INSERT INTO order_items VALUES (?, ?, ?, ?)", items)
