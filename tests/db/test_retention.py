"""What is past its time goes with all that hangs on it, and nothing else does, on both databases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update

from config.ids import new_id
from graph.events import StepStarted, ToolCallStarted
from mcp_config.tools import Caller, ToolCall, ToolResult
from server.db.once import KeyedRequest, keyed
from server.db.retention import Removed, Terms
from server.db.sessions import WriteSession
from server.db.store import Store, open_store
from server.db.tables import ConversationRow, RunRow
from server.errors import NotFound
from server.resources.conversations import NewConversation
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, answer, begin, claim, converse, opening, queue, say

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=60)


def terms(days: int | None = 30, hours: int = 24, now: datetime = NOW) -> Terms:
    return Terms(now - timedelta(days=days) if days is not None else None, now - timedelta(hours=hours), now)


async def age(store: Store, run_id: str) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(update(RunRow).where(RunRow.id == run_id).values(ended_at=LONG_AGO))

    await store.database.write(work)


async def ended_run(store: Store, *, old: bool) -> tuple[str, str]:
    """Returns the ids of a run and of its conversation."""
    run = await begin(store)
    await answer(store, run)
    if old:
        await age(store, run.run_id)
    return run.run_id, run.conversation_id


@pytest.mark.exhaustive
async def test_old_runs_go_and_the_conversation_with_its_messages_stays(store: Store) -> None:
    old, conversation_id = await ended_run(store, old=True)
    young, _ = await ended_run(store, old=False)
    open_run = await begin(store)
    events = [*opening(open_run, step := new_id("step"))]
    call = ToolCallStarted(
        run_id=open_run.run_id, attempt=1, step_id=step, call_id=new_id("call"), tool="time__now", arguments={}
    )
    await store.events.append(open_run.run_id, 1, [*events, call])

    expected = Removed(runs=1, events=len(await store.events.read(old)))
    assert await store.retention.count(terms(days=None)) == Removed()
    assert await store.retention.count(terms()) == expected
    assert await store.retention.remove(terms()) == expected
    assert await store.retention.remove(terms()) == Removed()

    with pytest.raises(NotFound):
        await store.runs.get(OWNER, old)
    assert await store.events.read(old) == []
    assert await store.runs.steps(OWNER, young)
    page = await store.messages.page(OWNER, conversation_id, PageQuery(order="asc"))
    assert [message.content for message in page.data] == ["hello", "Hi."]
    assert (await store.runs.get(OWNER, open_run.run_id)).status == "running"
    assert isinstance(events[1], StepStarted)


@pytest.mark.exhaustive
async def test_conversation_goes_on_when_its_runs_are_gone(store: Store) -> None:
    _, conversation_id = await ended_run(store, old=True)
    await store.retention.remove(terms())
    question = await say(store, conversation_id, "and now?")
    await answer(store, await claim(store, (await queue(store, conversation_id)).id), "Still here.")
    branch = await store.messages.branch(question.id, 10)
    assert [message.content for message in branch] == ["hello", "Hi.", "and now?"]


async def test_temporary_conversations_go_after_their_hours_unless_a_run_is_active(store: Store) -> None:
    temporary = NewConversation(metadata={"temporary": "true"})
    resting = (await store.conversations.create(OWNER, temporary)).id
    busy = (await store.conversations.create(OWNER, temporary)).id
    await say(store, busy, "hello")
    await queue(store, busy)
    quoted = NewConversation(metadata={"note": '"temporary":"true"', "temporary": "no"})
    kept = {busy, (await store.conversations.create(OWNER, quoted)).id, await converse(store)}

    async def work(session: WriteSession) -> None:
        await session.execute(update(ConversationRow).values(created_at=NOW - timedelta(hours=25)))

    await store.database.write(work)
    assert await store.retention.remove(terms()) == Removed(conversations=1)
    left = {each.id for each in (await store.conversations.page(OWNER, PageQuery())).data}
    assert left == kept
    assert resting not in left


async def test_calls_by_hand_and_idempotency_keys_go_when_they_are_old(store: Store) -> None:
    call = ToolCall(new_id("call"), "time__now", {}, Caller(owner=OWNER, role="admin"))
    with keyed(KeyedRequest(OWNER, "key-1", "f" * 64)):
        await store.tool_calls.started(call)
    await store.tool_calls.ended(call, ToolResult("ok", "12:00"))
    assert await store.retention.remove(terms()) == Removed()
    later = terms(now=NOW + timedelta(days=31))
    assert await store.retention.remove(later) == Removed(tool_calls=1, idempotency_keys=1)


async def test_ended_and_unknown_runs_are_told_from_active_ones(store: Store) -> None:
    ended, _ = await ended_run(store, old=False)
    waiting = (await queue(store, await converse(store))).id
    assert await store.retention.find_ended([ended, waiting, "run_gone"]) == {ended, "run_gone"}


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_sqlite_gives_the_room_back(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with open_store(f"sqlite:///{path}") as store:
        run = await begin(store)
        await answer(store, run, "x" * 3_000_000)
        await age(store, run.run_id)
        await store.conversations.delete(OWNER, run.conversation_id)

        async def empty(session: WriteSession) -> None:
            await session.execute(text("DELETE FROM messages"))

        await store.database.write(empty)
        await store.retention.remove(terms())
    assert path.stat().st_size < 1_000_000
