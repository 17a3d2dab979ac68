"""One engine at a time: a lock on the data folder, and one on the database: beside SQLite's file, or in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from config.database_url import find_sqlite_file, parse_database_url
from server.errors import Unavailable


@asynccontextmanager
async def open_sole_use(database_url: str, data_dir: Path) -> AsyncIterator[asyncio.Event]:
    """Holds folder and database for this process; yields what is set once another engine has taken the database.

    Raises:
        Unavailable: another engine works there, or the database does not answer.
    """
    url = parse_database_url(database_url)
    with _folder(data_dir):
        if file := find_sqlite_file(url):
            with _file(file):
                yield asyncio.Event()
            return
        from server.engine.postgres_lock import open_database_lock  # noqa: PLC0415 - brings in the driver

        async with open_database_lock(url) as taken:
            yield taken


@contextmanager
def _folder(data_dir: Path) -> Iterator[None]:
    with _locked(data_dir / "engine.lock", f"in {data_dir}", "DATA_DIR"):
        yield


@contextmanager
def _file(file: Path) -> Iterator[None]:
    """Holds it also against an engine with a data folder of its own; it is one file, whatever way leads there."""
    real = file.resolve()
    with _locked(real.with_name(f"{real.name}.lock"), f"with {file}", "DATABASE_URL"):
        yield


@contextmanager
def _locked(path: Path, where: str, setting: str) -> Iterator[None]:
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        detail = f"Another open-agent already works {where}; stop it, or choose another {setting}."
        raise Unavailable("engine_running", detail) from error
    except OSError as error:
        detail = f"The folder {path.parent} cannot be made or written ({error.strerror}); choose another {setting}."
        raise Unavailable("database_unavailable", detail) from error
    try:
        yield
    finally:
        lock.release()
