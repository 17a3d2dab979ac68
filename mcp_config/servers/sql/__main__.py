"""Starts the sql server: `python -m mcp_config.servers.sql`."""

import logging
import os
import sys
from pathlib import Path

from mcp_config.servers.serving import serve
from mcp_config.servers.sql.database import Database
from mcp_config.servers.sql.options import SqlOptions, read_options
from mcp_config.servers.sql.shop import create_shop
from mcp_config.servers.sql.sqlite import SqliteDatabase
from mcp_config.servers.sql.tools import SqlTools


def main() -> None:
    options = read_options(sys.argv[1:], os.environ)
    # the parser warns about statements it does not know; the guard refuses those anyway
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    database = _database(options)
    tools = SqlTools(database, options.limits, guard=options.guard)
    deadline = options.limits.seconds + 15
    serve("sql", [tools.schema, tools.query], deadline, warning=database.find_warning())


def _database(options: SqlOptions) -> Database:
    url = options.database_url
    if not url:
        return SqliteDatabase(create_shop(options.data_dir), options.limits)
    if url.startswith(("postgresql://", "postgres://")):
        # imported only here: the driver would double the start-up time of everybody else
        from mcp_config.servers.sql.postgres import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(url, options.limits)
    if url.startswith("sqlite:///"):
        return SqliteDatabase(_existing(Path(url.removeprefix("sqlite:///"))), options.limits)
    sys.exit("SQL_AGENT_DATABASE_URL must start with sqlite:/// or postgresql://")


def _existing(path: Path) -> Path:
    if not path.is_file():
        sys.exit(f"SQL_AGENT_DATABASE_URL: there is no database file {path}")
    return path


if __name__ == "__main__":
    main()
