"""Opening a database: made, moved up and down, refused with one clear line."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, make_url

from server.db import guard_tables
from server.db.migrating import migrate
from server.db.store import open_store
from server.db.tables import Row
from server.errors import Unavailable
from server.resources.conversations import NewConversation, NewMessage
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, converse, say


def _differences(url: str) -> list[object]:
    address = make_url(url)
    driver = "postgresql+psycopg" if address.get_backend_name() == "postgresql" else "sqlite"
    engine = create_engine(address.set(drivername=driver))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert guard_tables.AuditRow.metadata is Row.metadata  # both files' tables are compared
            return list(compare_metadata(context, Row.metadata))
    finally:
        engine.dispose()


def test_migrations_make_the_tables_that_the_code_knows(database_url: str) -> None:
    migrate(database_url)
    assert _differences(database_url) == []


def test_migrating_says_nothing(database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    migrate(database_url)
    migrate(database_url)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_every_migration_can_be_taken_back_and_made_again(database_url: str) -> None:
    migrate(database_url)
    migrate(database_url, "base")
    migrate(database_url)
    assert _differences(database_url) == []


async def test_messages_from_before_know_the_system_message_above_them(database_url: str) -> None:
    async with open_store(database_url) as store:
        conversation_id = (await store.conversations.create(OWNER, NewConversation())).id
        await store.messages.add(OWNER, conversation_id, NewMessage(role="system", content="be brief"))
        last = [await say(store, conversation_id, text) for text in ("one", "two", "three")][-1]
    migrate(database_url, "0002")
    async with open_store(database_url) as store:
        assert [message.content for message in await store.messages.branch(last.id, 2)] == ["be brief", "two", "three"]


async def test_data_outlives_the_next_start(database_url: str) -> None:
    async with open_store(database_url) as store:
        conversation_id = await converse(store)
    async with open_store(database_url) as store:
        assert (await store.conversations.get(OWNER, conversation_id)).id == conversation_id
        await store.check()


@pytest.mark.slow
async def test_postgresql_without_an_encoding_keeps_text(postgres_url: str) -> None:
    """As PostgreSQL makes its databases where the locale is C."""
    with closing(psycopg.connect(postgres_url.format(name="postgres"), autocommit=True)) as connection:
        connection.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    async with open_store(postgres_url.format(name="bytes")) as store:
        made = await store.conversations.create(OWNER, NewConversation(title="Größe"))
        assert (await store.conversations.get(OWNER, made.id)).title == "Größe"


@pytest.mark.exhaustive
async def test_processes_that_start_at_the_same_time_migrate_once(database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, database_url) for _ in range(4)))
    async with open_store(database_url) as one, open_store(database_url) as other:
        conversation_id = await converse(one)
        assert [each.id for each in (await other.conversations.page(OWNER, PageQuery())).data] == [conversation_id]


async def test_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="newer version") as refusal:
        async with open_store(f"sqlite:///{path}"):
            pass
    assert refusal.value.code == "database_newer"
    assert path.read_bytes() == before


async def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Unavailable, match="DATA_DIR") as refusal:
        async with open_store(f"sqlite:///{tmp_path}/data/app.db"):
            pass
    assert str(tmp_path / "data") in str(refusal.value)


@pytest.mark.parametrize(
    "spoil", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"no database" * 500)], ids=["folder", "text"]
)
async def test_file_that_is_no_database_is_refused_clearly(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "app.db"
    assert callable(spoil)
    spoil(path)
    with pytest.raises(Unavailable, match="DATABASE_URL"):
        async with open_store(f"sqlite:///{path}"):
            pass


async def test_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached") as refusal:
        async with open_store(f"postgresql://user:secret@/db?host={tmp_path}"):
            pass
    assert "secret" not in str(refusal.value)


async def test_database_that_is_removed_under_the_server_takes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with open_store(f"sqlite:///{path}") as store:
        await converse(store)
        path.rename(tmp_path / "moved.db")
        for use in (lambda: store.conversations.create(OWNER, NewConversation()), store.check):
            with pytest.raises(Unavailable, match="removed or replaced") as refusal:
                await use()
            assert refusal.value.code == "database_gone"
        (tmp_path / "moved.db").rename(path)
        await store.check()
