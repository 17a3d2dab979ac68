"""The write queue: many pieces, one transaction; one piece's failure is its own, the database's is everybody's."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from server.db.sessions import WriteSession
from server.db.store import Store, open_store
from server.errors import NotFound, Unavailable
from server.resources.conversations import NewConversation
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, answer, begin, converse, say, words
from tests.support.waiting import PATIENCE


async def test_pieces_written_at_the_same_time_share_a_transaction(store: Store) -> None:
    commits: list[int] = []

    async def piece(number: int) -> int:
        async def work(session: WriteSession) -> int:
            session.on_commit.append(lambda: commits.append(number))
            await session.execute(text("SELECT 1"))
            return len(commits)

        return await store.database.write(work)

    seen = await asyncio.gather(*(piece(number) for number in range(20)))
    assert commits == list(range(20))
    assert set(seen) == {0}, "no piece ran after a commit of another"


async def test_failing_piece_leaves_the_others_and_writes_nothing(store: Store) -> None:
    async def fail(session: WriteSession) -> None:
        await session.execute(text("DELETE FROM conversations"))
        raise NotFound("conversation_not_found", "gone")

    results = await asyncio.gather(
        store.conversations.create(OWNER, NewConversation(title="before")),
        store.database.write(fail),
        store.conversations.create(OWNER, NewConversation(title="after")),
        return_exceptions=True,
    )
    assert isinstance(results[1], NotFound)
    page = await store.conversations.page(OWNER, PageQuery(order="asc"))
    assert [each.title for each in page.data] == ["before", "after"]


async def test_who_stops_waiting_for_a_piece_stops_neither_it_nor_others(store: Store) -> None:
    started, gate, committed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(session: WriteSession) -> None:
        session.on_commit.append(committed.set)
        started.set()
        await gate.wait()

    waiting = asyncio.create_task(store.database.write(slow))
    await started.wait()
    other = asyncio.create_task(store.conversations.create(OWNER, NewConversation()))
    waiting.cancel()
    gate.set()
    made = await other
    assert await store.conversations.get(OWNER, made.id) == made
    assert committed.is_set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_everything_asked_for_is_written_before_the_store_closes(database_url: str) -> None:
    begun = asyncio.Event()

    async def write(number: int) -> None:
        if number == 99:
            begun.set()  # heard once this one, too, waits for the database
        await store.conversations.create(OWNER, NewConversation())

    async with open_store(database_url) as store:
        writes = [asyncio.create_task(write(number)) for number in range(100)]
        await begun.wait()
    await asyncio.gather(*writes)
    async with open_store(database_url) as store:
        assert len((await store.conversations.page(OWNER, PageQuery(limit=100))).data) == 100


async def test_full_disk_is_named_loses_nothing_written_and_heals(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'app.db'}") as store:
        run = await begin(store)
        before = await store.events.read(run.run_id)
        await _limit_pages(store, 1)
        with pytest.raises(Unavailable) as refusal:
            await store.events.append(run.run_id, 1, words(run, "step_1", "x" * 1_000_000))
        assert refusal.value.code == "disk_full"
        assert refusal.value.retry_after
        assert await store.events.read(run.run_id) == before
        await _limit_pages(store, 1_000_000)
        await answer(store, run)
        assert (await store.runs.get(OWNER, run.run_id)).status == "completed"
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("size", [500_000, 3000])
async def test_file_that_may_grow_no_further_is_a_full_disk_and_takes_again_what_was_freed(
    tmp_path: Path, size: int
) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'app.db'}?max_page_count=600") as store:
        filled, kept = await converse(store), await converse(store)
        with pytest.raises(Unavailable) as refusal:
            while True:
                await say(store, filled, "x" * size)
        assert refusal.value.code == "disk_full"
        await store.conversations.delete(OWNER, filled)
        await say(store, kept, "x" * size)


async def _limit_pages(store: Store, pages: int) -> None:
    """Below what the file has, SQLite takes the size it has."""

    async def work(session: WriteSession) -> None:
        await session.execute(text(f"PRAGMA max_page_count={pages}"))

    await store.database.write(work)


async def test_locked_database_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with open_store(f"sqlite:///{path}") as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(converse(store))
            await asyncio.to_thread(lambda: None)
            assert (await store.conversations.page(OWNER, PageQuery())).data == []
            other.execute("ROLLBACK")
            async with asyncio.timeout(PATIENCE):
                await waiting


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_database_locked_for_long_is_unavailable_for_the_moment(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with open_store(f"sqlite:///{path}") as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable) as refusal:
                await converse(store)
        assert (refusal.value.code, refusal.value.retry_after) == ("database_unavailable", 2)
        await converse(store)
