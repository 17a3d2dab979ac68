"""Conversations: whose they are, how they are listed, what goes with them."""

import pytest

from server.db.store import Store
from server.errors import ApiError, Conflict, Invalid, NotFound
from server.resources.conversations import Conversation, NewConversation
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, answer, begin, claim, converse, queue


async def _three(store: Store) -> list[Conversation]:
    return [await store.conversations.create(OWNER, NewConversation(title=str(number))) for number in range(3)]


async def test_conversation_is_read_as_it_was_made(store: Store) -> None:
    made = await store.conversations.create(OWNER, NewConversation(title="Größe \x00", metadata={"chat": "7"}))
    read = await store.conversations.get(OWNER, made.id)
    assert read.title == "Größe \ufffd"
    assert read.model_copy(update={"title": made.title}) == made


async def test_another_owners_conversation_is_not_there(store: Store) -> None:
    conversation_id = await converse(store)
    for call in (
        store.conversations.get("eve", conversation_id),
        store.conversations.delete("eve", conversation_id),
        store.messages.page("eve", conversation_id, PageQuery()),
        store.runs.page("eve", conversation_id, PageQuery()),
    ):
        with pytest.raises(NotFound) as refusal:
            await call
        assert refusal.value.code == "conversation_not_found"
    assert (await store.conversations.page("eve", PageQuery())).data == []


async def test_pages_go_on_where_the_one_before_ended(store: Store) -> None:
    first, second, third = [each.id for each in await _three(store)]

    async def ids(**query: object) -> tuple[list[str], bool]:
        page = await store.conversations.page(OWNER, PageQuery.model_validate(query))
        assert [page.first_id, page.last_id] == ([page.data[0].id, page.data[-1].id] if page.data else [None, None])
        return [each.id for each in page.data], page.has_more

    assert await ids() == ([third, second, first], False)
    assert await ids(limit=2) == ([third, second], True)
    assert await ids(limit=2, after=second) == ([first], False)
    assert await ids(limit=1, before=first) == ([second], True)
    assert await ids(order="asc", limit=2) == ([first, second], True)
    assert await ids(order="asc", after=second) == ([third], False)
    assert await ids(order="asc", before=third, limit=1) == ([second], True)
    assert await ids(after=first) == ([], False)


async def test_cursors_in_both_directions_at_once_are_refused(store: Store) -> None:
    with pytest.raises(Invalid):
        await store.conversations.page(OWNER, PageQuery(after="conv_1", before="conv_2"))


async def test_deleting_a_conversation_takes_everything_along(store: Store) -> None:
    run = await begin(store)
    await answer(store, run)
    await store.conversations.delete(OWNER, run.conversation_id)
    for call in (store.conversations.get(OWNER, run.conversation_id), store.runs.get(OWNER, run.run_id)):
        with pytest.raises(NotFound):
            await call
    assert await store.events.read(run.run_id) == []


async def test_conversation_with_a_run_at_work_stays_with_all_that_is_queued(store: Store) -> None:
    conversation_id = await converse(store)
    await claim(store, (await queue(store, conversation_id)).id)
    waiting = await queue(store, conversation_id)
    with pytest.raises(Conflict) as refusal:
        await store.conversations.delete(OWNER, conversation_id)
    assert refusal.value.code == "run_active"
    assert isinstance(refusal.value, ApiError)
    assert (await store.conversations.get(OWNER, conversation_id)).id == conversation_id
    assert await store.runs.get(OWNER, waiting.id) == waiting


async def test_conversation_is_deleted_with_the_runs_that_wait_for_their_turn(store: Store) -> None:
    conversation_id = await converse(store)
    runs = [await queue(store, conversation_id) for _ in range(2)]
    assert await store.conversations.delete(OWNER, conversation_id) == [run.id for run in runs]
    assert await store.queue.claim(runs[0].id) is None
    assert (await store.conversations.page(OWNER, PageQuery())).data == []
