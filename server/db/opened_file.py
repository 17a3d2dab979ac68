"""The file under a SQLite database: SQLite goes on writing into one that was removed, and all of it would be lost."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from server.errors import Unavailable


@dataclass(frozen=True)
class OpenedFile:
    path: Path
    identity: tuple[int, int]
    """Device and inode: another file of the same name has others."""

    def check(self) -> None:
        """Raises: Unavailable, when what was opened is no longer at its place."""
        if _identity(self.path) != self.identity:
            # clients read this too: it tells them nothing of the machine
            detail = "The database's file was removed or replaced; put it back if you can, and restart the server."
            raise Unavailable("database_gone", detail)


def find_opened_file(address: URL) -> OpenedFile | None:
    """Returns the file of a SQLite database; None for a server, or for one that is in memory."""
    if address.get_backend_name() != "sqlite" or not address.database:
        return None
    path = Path(address.database)
    identity = _identity(path)
    return OpenedFile(path, identity) if identity else None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
