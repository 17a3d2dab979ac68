"""A database that is away for a while costs time, never a run."""

import asyncio

from sqlalchemy import text
from structlog.testing import capture_logs

from server.db.sessions import WriteSession
from tests.engine.conftest import House
from tests.engine.talk import OWNER, ask, read_to_end, read_until
from tests.graph.laws import check_laws
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import until


async def _limit_pages(house: House, pages: int) -> None:
    """A limit below what the file has is the size it has: the disk is full."""

    async def work(session: WriteSession) -> None:
        await session.execute(text(f"PRAGMA max_page_count={pages}"))

    await house.store.database.write(work)


async def test_run_goes_on_when_the_disk_has_room_again(house: House, scripted_model: ScriptedModel) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("hello"), Replies.text("one ", "x" * 500_000).held(gate, after=1))
    run = await ask(house, "hello")
    await read_until(house, run.id, "model.delta")
    await _limit_pages(house, 1)
    with capture_logs() as logged:
        gate.set()
        await until(lambda: any(entry.get("code") == "disk_full" for entry in logged))
    assert (await house.store.runs.get(OWNER, run.id)).status == "running"
    await _limit_pages(house, 1_000_000)
    check_laws(await read_to_end(house, run.id))
    assert (await house.store.runs.get(OWNER, run.id)).status == "completed"
