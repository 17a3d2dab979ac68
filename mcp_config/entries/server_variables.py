"""What `${NAME}` in `servers.json` can mean: the environment as the settings read it, and what only we know."""

import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from config.checkout import CHECKOUT
from config.settings import Settings


def build_variables(settings: Settings) -> Mapping[str, str]:
    own = {"PYTHON": sys.executable, "PROJECT_DIR": str(CHECKOUT), "PROJECT_GIT_DIR": _git_folder(CHECKOUT)}
    return {**settings.environment, **own, **_sql_database(settings.sql_agent_database_url)}


def _sql_database(address: str | None) -> dict[str, str]:
    """Returns where the sql tools' database is, for what their sandbox is granted: a folder, a host, or a socket."""
    parts = urlsplit(address or "")
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    found = dict.fromkeys(("SQL_AGENT_DATABASE_FOLDER", "SQL_AGENT_DATABASE_HOST", "SQL_AGENT_DATABASE_SOCKET"), "")
    if parts.scheme == "sqlite":
        found["SQL_AGENT_DATABASE_FOLDER"] = str(Path(parts.path[1:]).parent)
    elif parts.scheme:
        found["SQL_AGENT_DATABASE_SOCKET" if host.startswith("/") else "SQL_AGENT_DATABASE_HOST"] = host or "localhost"
    return found


def _git_folder(checkout: Path) -> str:
    """Returns where the repository is kept: elsewhere, when the checkout is a worktree (gitrepository-layout(5))."""
    entry = checkout / ".git"
    if not entry.is_file():
        return str(entry)
    own = Path(entry.read_text().removeprefix("gitdir:").strip())
    return str((own / (own / "commondir").read_text().strip()).resolve())
