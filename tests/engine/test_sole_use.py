"""Two engines never work on one database at a time."""

from pathlib import Path

import psycopg
import pytest

from server.engine.sole_use import open_sole_use
from server.errors import Unavailable
from tests.support.waiting import until


async def test_second_engine_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    async with open_sole_use(url, tmp_path):
        with pytest.raises(Unavailable, match="DATA_DIR") as refusal:
            async with open_sole_use(url, tmp_path):
                pass
    assert refusal.value.code == "engine_running"
    async with open_sole_use(url, tmp_path):
        pass


async def test_second_engine_on_the_same_file_is_refused_from_another_folder_and_by_another_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "app.db")
    async with open_sole_use(f"sqlite:///{tmp_path / 'app.db'}", tmp_path / "one"):
        for name in ("app.db", "link.db"):
            with pytest.raises(Unavailable, match="DATABASE_URL") as refusal:
                async with open_sole_use(f"sqlite:///{tmp_path / name}", tmp_path / "two"):
                    pass
            assert refusal.value.code == "engine_running"
        async with open_sole_use(f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "two"):
            pass


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_second_engine_on_the_same_postgresql_is_refused_from_another_folder(
    postgres_database: str, tmp_path: Path
) -> None:
    async with open_sole_use(postgres_database, tmp_path / "one"):
        with pytest.raises(Unavailable, match="DATABASE_URL") as refusal:
            async with open_sole_use(postgres_database, tmp_path / "two"):
                pass
        assert refusal.value.code == "engine_running"
        async with await psycopg.AsyncConnection.connect(postgres_database, autocommit=True) as other:
            locked = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
            ((holder,),) = await (await other.execute(locked)).fetchall()
            await other.execute("SELECT pg_terminate_backend(%s)", (holder,))
            # what a restart of the database has ended is taken again

            async def taken_again() -> bool:
                return [row for row in await (await other.execute(locked)).fetchall() if row != (holder,)] != []

            await until(taken_again)
    async with open_sole_use(postgres_database, tmp_path / "two"):
        pass
