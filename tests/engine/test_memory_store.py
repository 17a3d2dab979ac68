"""The store of memories: LangGraph's contract, in the database that holds everything else."""

import asyncio
from pathlib import Path

import pytest

from mcp_config.local.memory_tools import NotRemembered
from mcp_config.tools import Caller
from server.db.store import open_store
from server.engine.memories import Memories
from server.engine.memory_store import open_memory_store
from server.errors import Unavailable
from tests.db.stories import converse

ADA, BEN = ("memories", "ada"), ("memories", "ben")


async def test_what_is_put_is_found_after_a_restart_and_only_in_its_namespace(database_url: str) -> None:
    async with open_memory_store(database_url) as memories:
        await memories.aput(ADA, "tea", {"text": "Ada likes tea, größer als Kaffee."})
        await memories.aput(BEN, "coffee", {"text": "Ben likes coffee."})
    async with open_memory_store(database_url) as memories:
        found = await memories.asearch(ADA)
        assert [(item.key, item.value) for item in found] == [("tea", {"text": "Ada likes tea, größer als Kaffee."})]
        await memories.adelete(ADA, "tea")
        assert await memories.aget(ADA, "tea") is None
        assert await memories.aget(BEN, "coffee") is not None


async def test_memories_and_everything_else_are_written_at_the_same_time(database_url: str) -> None:
    async with open_store(database_url) as store, open_memory_store(database_url) as memories:

        async def remember(number: int) -> None:
            await memories.aget(ADA, str(number))
            await memories.aput(ADA, str(number), {"number": number})

        await asyncio.gather(*(remember(n) for n in range(20)), *(converse(store) for _ in range(20)))
        assert len(await memories.asearch(ADA, limit=100)) == 20


async def test_closed_store_leaves_no_task_behind(database_url: str) -> None:
    before = asyncio.all_tasks()
    async with open_memory_store(database_url) as memories:
        await memories.aput(ADA, "tea", {"text": "Ada likes tea."})
    assert {task.get_name() for task in asyncio.all_tasks() - before if "_run" in repr(task)} == set()


async def never_temporary(run_id: str) -> bool:
    raise AssertionError(run_id)


async def test_what_no_database_can_hold_is_left_out_of_a_memory(database_url: str) -> None:
    async with open_memory_store(database_url) as store:
        memories = Memories(store, never_temporary)
        kept = await memories.remember(Caller("ada"), "likes \x00 and \ud800")
        assert [memory.text for memory in await memories.all("ada")] == [kept.text] == ["likes \ufffd and \ufffd"]


async def test_of_many_things_at_once_no_more_are_remembered_than_there_is_room_for(database_url: str) -> None:
    async with open_memory_store(database_url) as store:
        memories = Memories(store, never_temporary, most=3)
        said = ["one", "two", "two", "three", "four", "five"]
        tries = [memories.remember(Caller("ada"), text) for text in said]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        refused = [outcome.code for outcome in outcomes if isinstance(outcome, NotRemembered)]
        assert refused == ["memories_full"] * 2
        assert [memory.text for memory in await memories.all("ada")] == ["one", "two", "three"]


async def test_database_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"no database" * 500)
    with pytest.raises(Unavailable, match="DATABASE_URL"):
        async with open_memory_store(f"sqlite:///{tmp_path}/app.db"):
            pass
