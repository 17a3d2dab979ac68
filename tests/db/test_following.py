"""Following a log: every reader gets all of it, live, late, after a restart and from another process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from config.ids import new_id
from server.db.database import Database
from server.db.event_reader import EventReader
from server.db.feed import LoggedEvent
from server.db.sessions import ReadSession
from server.db.store import Store, open_store
from server.errors import Invalid
from tests.db.stories import OWNER, answer, begin, ending, opening, words
from tests.support.waiting import PATIENCE, until


async def _log(store: Store, run_id: str) -> list[LoggedEvent]:
    return await store.events.read(run_id, limit=10_000)


async def _collect(events: AsyncGenerator[LoggedEvent, None]) -> list[LoggedEvent]:
    return [event async for event in events]


async def test_readers_from_every_cursor_get_the_rest_live(store: Store) -> None:
    run, step_id = await begin(store), new_id("step")
    await store.events.append(run.run_id, 1, opening(run, step_id))
    readers = [asyncio.create_task(_collect(store.events.follow(OWNER, run.run_id, n))) for n in (0, 1, 2)]
    for number in range(20):
        await store.events.append(run.run_id, 1, words(run, step_id, f"word {number} "))
    await store.events.append(run.run_id, 1, ending(run, step_id, "all"))
    whole = await _log(store, run.run_id)
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*readers) == [whole, whole[1:], whole[2:]]
    assert store.feed.readers == 0


async def test_reader_who_falls_behind_misses_nothing(store: Store) -> None:
    run, step_id = await begin(store), new_id("step")
    await store.events.append(run.run_id, 1, opening(run, step_id))
    reader = store.events.follow(OWNER, run.run_id)
    read = [await anext(reader)]
    for _ in range(3):
        await store.events.append(run.run_id, 1, words(run, step_id, *("x" * 250)))
    await store.events.append(run.run_id, 1, ending(run, step_id, "all"))
    read += await _collect(reader)
    assert read == await _log(store, run.run_id)


async def test_reader_of_another_process_finds_the_events_by_looking(store: Store, database_url: str) -> None:
    run, step_id = await begin(store), new_id("step")
    async with open_store(database_url) as elsewhere:
        reader = asyncio.create_task(_collect(elsewhere.events.follow(OWNER, run.run_id, 0, lambda: 0.02)))
        await store.events.append(run.run_id, 1, opening(run, step_id))
        await store.events.append(run.run_id, 1, ending(run, step_id, ""))
        async with asyncio.timeout(PATIENCE):
            assert await reader == await _log(store, run.run_id)


class Counted(Database):
    """Counts how often it is read."""

    def __init__(self, database: Database) -> None:
        self._counted = database
        self.reads = 0

    @override
    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadSession, None]:
        self.reads += 1
        async with self._counted.read() as session:
            yield session


async def test_readers_of_one_run_share_what_one_of_them_has_read(store: Store) -> None:
    run, step_id = await begin(store), new_id("step")
    await store.events.append(run.run_id, 1, opening(run, step_id))
    counted = Counted(store.database)
    log = EventReader(counted, store.feed)
    readers = [asyncio.create_task(_collect(log.follow(OWNER, run.run_id, 0, lambda: None))) for _ in range(200)]
    await until(lambda: store.feed.readers == 200)
    for number in range(20):
        await store.events.append(run.run_id, 1, words(run, step_id, f"word {number} "))
    await store.events.append(run.run_id, 1, ending(run, step_id, "all"))
    whole = await _log(store, run.run_id)
    assert await asyncio.gather(*readers) == [whole] * 200
    assert counted.reads < 10


async def test_readers_of_a_run_that_another_process_carries_take_turns_to_look(
    store: Store, database_url: str
) -> None:
    run, step_id = await begin(store), new_id("step")
    async with open_store(database_url) as elsewhere:
        counted = Counted(elsewhere.database)
        log = EventReader(counted, elsewhere.feed)
        readers = [asyncio.create_task(_collect(log.follow(OWNER, run.run_id, 0, lambda: 0.05))) for _ in range(100)]
        await until(lambda: elsewhere.feed.readers == 100)
        before = counted.reads
        await store.events.append(run.run_id, 1, opening(run, step_id))
        await store.events.append(run.run_id, 1, ending(run, step_id, ""))
        whole = await _log(store, run.run_id)
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*readers) == [whole] * 100
        assert counted.reads - before < 50


async def test_log_reads_the_same_after_a_restart(database_url: str) -> None:
    async with open_store(database_url) as store:
        run = await begin(store)
        await answer(store, run)
        before = await _log(store, run.run_id)
    async with open_store(database_url) as store:
        assert await _collect(store.events.follow(OWNER, run.run_id, 2)) == before[2:]


async def test_cursor_beyond_the_log_is_an_error_and_not_silence(store: Store) -> None:
    run = await begin(store)
    await answer(store, run)
    last = (await _log(store, run.run_id))[-1].seq
    assert await _collect(store.events.follow(OWNER, run.run_id, last)) == []
    for cursor in (last + 1, -1):
        with pytest.raises(Invalid) as refusal:
            await _collect(store.events.follow(OWNER, run.run_id, cursor))
        assert refusal.value.code == "unknown_cursor"


async def test_readers_end_when_the_feed_closes(store: Store) -> None:
    run, step_id = await begin(store), new_id("step")
    reader = asyncio.create_task(_collect(store.events.follow(OWNER, run.run_id, 0, lambda: None)))
    logged = await store.events.append(run.run_id, 1, opening(run, step_id))
    store.feed.close()
    async with asyncio.timeout(PATIENCE):
        assert await reader in ([], logged)
    assert store.feed.readers == 0
