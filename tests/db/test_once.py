"""What a keyed request makes is made with its key, in one transaction, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from server.db.guard_tables import IdempotencyRow
from server.db.idempotency import Answer, Kept
from server.db.once import KeyedRequest, keyed
from server.db.sessions import WriteSession
from server.db.store import Store, open_store
from server.errors import Conflict
from server.resources.conversations import NewConversation, NewMessage
from server.resources.pages import PageQuery
from server.resources.runs import NewRun
from tests.db.stories import OWNER, converse, queue

ANSWER = Answer(201, {"location": "/v1/conversations/conv_1"}, b'{"id":"conv_1"}')


def sent(made: str | None = None) -> KeyedRequest:
    return KeyedRequest(OWNER, "key-1", "f" * 64, made)


async def test_request_that_comes_again_after_a_crash_finds_what_it_made(store: Store) -> None:
    conversation_id = await converse(store)
    new = NewRun(agent_id="general")
    with keyed(sent()):
        run = await store.runs.create(OWNER, "user", conversation_id, new, revision=1)
    assert await store.idempotency.find(sent()) == Kept("f" * 64, run.id, None)
    with keyed(sent(run.id)):
        assert await store.runs.create(OWNER, "user", conversation_id, new, revision=1) == run
    assert [each.id for each in (await store.runs.page(OWNER, conversation_id, PageQuery())).data] == [run.id]


async def test_only_one_of_two_processes_makes_it(store: Store, database_url: str) -> None:
    async with open_store(database_url) as elsewhere:
        with keyed(sent()):
            made = await elsewhere.conversations.create(OWNER, NewConversation())
        with keyed(sent()), pytest.raises(Conflict) as refusal:
            await store.conversations.create(OWNER, NewConversation())
    assert (refusal.value.code, refusal.value.retry_after) == ("idempotency_in_progress", 1)
    assert [each.id for each in (await store.conversations.page(OWNER, PageQuery())).data] == [made.id]


async def test_what_is_refused_leaves_no_key(store: Store) -> None:
    conversation_id = (await store.conversations.create(OWNER, NewConversation())).id
    with keyed(sent()), pytest.raises(Conflict):
        await store.runs.create(OWNER, "user", conversation_id, NewRun(agent_id="general"), revision=1)
    assert await store.idempotency.find(sent()) is None


async def test_answer_is_kept_with_what_was_made_or_alone(store: Store) -> None:
    with keyed(sent()):
        made = await store.conversations.create(OWNER, NewConversation())
    await store.idempotency.keep(sent(), ANSWER)
    assert await store.idempotency.find(sent()) == Kept("f" * 64, made.id, ANSWER)
    alone = KeyedRequest(OWNER, "key-2", "f" * 64)
    await store.idempotency.keep(alone, ANSWER)
    assert await store.idempotency.find(alone) == Kept("f" * 64, None, ANSWER)
    assert await store.idempotency.find(KeyedRequest("ben", "key-1", "f" * 64)) is None


async def test_key_is_free_again_after_its_day(store: Store) -> None:
    with keyed(sent()):
        first = await store.conversations.create(OWNER, NewConversation())

    async def age(session: WriteSession) -> None:
        await session.execute(update(IdempotencyRow).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    await store.database.write(age)
    assert await store.idempotency.find(sent()) is None
    with keyed(sent()):
        second = await store.conversations.create(OWNER, NewConversation())
    async with store.database.read() as session:
        rows = list(await session.scalars(select(IdempotencyRow.resource_id)))
    assert rows == [second.id] != [first.id]


async def test_key_of_a_run_that_failed_can_be_freed_and_others_cannot(store: Store) -> None:
    conversation_id = await converse(store)
    with keyed(sent()):
        run = await store.runs.create(OWNER, "user", conversation_id, NewRun(agent_id="general"), revision=1)
    await store.idempotency.free_after_failure(sent())
    assert await store.idempotency.find(sent()) is not None
    await store.events.cancel_idle(run.id)
    await store.idempotency.free_after_failure(sent())
    assert await store.idempotency.find(sent()) is None


async def test_without_a_key_nothing_is_noted(store: Store) -> None:
    await queue(store, await converse(store))
    await store.messages.add(OWNER, await converse(store), NewMessage(content="more"))
    async with store.database.read() as session:
        assert list(await session.scalars(select(IdempotencyRow))) == []
