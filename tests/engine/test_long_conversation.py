"""The next run of a long conversation: what it costs does not grow with what was said before. Counted, never timed."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from config.ids import new_id
from server.db.sessions import WriteSession
from server.db.summaries import LOOK_BACK
from server.db.tables import MessageRow
from server.resources.conversations import NewConversation
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final
from tests.support.scripted_model import Replies, ScriptedModel, anything
from tests.support.statements import Watch, watching


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_ten_thousand_messages_cost_the_next_run_no_more_work(site: Site, scripted_model: ScriptedModel) -> None:
    scripted_model.always(anything, Replies.text("Hi."))
    with watching() as watch:
        async with site.house() as house:
            several = [await converse(house, count) for count in (10, 10, LOOK_BACK, 10_000)]
            _, short, full, long = [await _answer(house, watch, each) for each in several]  # the first warms up
    assert abs(long[0] - short[0]) <= 4, "statements"
    assert long[1] <= 1.5 * full[1], "instructions of SQLite's machine, from where all is full that is looked at"


async def _answer(house: House, watch: Watch, conversation_id: str) -> tuple[int, int]:
    """Returns how many statements the next run took, and how much work they were."""
    statements, instructions = len(watch.statements), watch.instructions
    run = await ask(house, "hello", conversation_id)
    assert (await final(house, run)).status == "completed"
    await house.store.queue.find_next(conversation_id)
    return len(watch.statements) - statements, watch.instructions - instructions


async def converse(house: House, count: int) -> str:
    """Makes a conversation of so many short messages."""
    conversation_id = (await house.store.conversations.create(OWNER, NewConversation())).id
    ids = [new_id("msg") for _ in range(count)]
    rows: list[dict[str, object]] = [
        {
            "id": each,
            "conversation_id": conversation_id,
            "parent_id": ids[number - 1] if number else None,
            "floating": False,
            "role": "assistant" if number % 2 else "user",
            "content": "word",
            "attachments": [],
            "created_at": datetime.now(UTC),
        }
        for number, each in enumerate(ids)
    ]

    async def work(session: WriteSession) -> None:
        await session.execute(insert(MessageRow), rows)

    await house.store.database.write(work)
    return conversation_id
