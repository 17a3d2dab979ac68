"""How the sql server is started: its argv and environment, read once."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mcp_config.servers.sql.database import Limits


@dataclass(frozen=True)
class SqlOptions:
    database_url: str
    """`sqlite:///path` or `postgresql://…`; empty for the sample shop."""
    data_dir: Path
    """Where the sample shop database is made."""
    limits: Limits = field(default_factory=Limits)
    guard: bool = True


def read_options(argv: Sequence[str], environment: Mapping[str, str]) -> SqlOptions:
    """Reads `SQL_AGENT_DATABASE_URL`, `DATA_DIR` and the flags; exits with one line if a flag is wrong."""
    parser = argparse.ArgumentParser(prog="python -m mcp_config.servers.sql", description=__doc__)
    defaults = Limits()
    parser.add_argument("--max-rows", type=int, default=defaults.rows, help="rows of an answer (default: %(default)s)")
    parser.add_argument("--max-characters", type=int, default=defaults.characters, help="size of an answer")
    parser.add_argument("--timeout", type=float, default=defaults.seconds, help="seconds one query may take")
    parser.add_argument(
        "--engine-only", action="store_true", help="tests only: no parser in front, to attack the engine alone"
    )
    flags = parser.parse_args(argv)
    return SqlOptions(
        database_url=environment.get("SQL_AGENT_DATABASE_URL", "").strip(),
        data_dir=Path(environment.get("DATA_DIR") or "data"),
        limits=Limits(rows=flags.max_rows, characters=flags.max_characters, seconds=flags.timeout),
        guard=not flags.engine_only,
    )
