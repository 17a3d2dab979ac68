"""Runs in the queue: whose turn it is, who holds one, what a lost holder costs."""

import asyncio

import pytest

from server.db.store import Store
from server.errors import Conflict, NotFound
from server.resources.conversations import NewConversation, NewMessage
from server.resources.runs import NewRun
from tests.db.stories import OWNER, answer, begin, claim, converse, queue, say


async def test_run_needs_a_user_message(store: Store) -> None:
    conversation = await store.conversations.create(OWNER, NewConversation())
    await store.messages.add(OWNER, conversation.id, NewMessage(role="assistant", content="Welcome."))
    with pytest.raises(Conflict) as refusal:
        await queue(store, conversation.id)
    assert refusal.value.code == "no_user_message"


async def test_run_answers_the_newest_user_message_also_when_it_was_answered_before(store: Store) -> None:
    conversation_id = await converse(store)
    first = await claim(store, (await queue(store, conversation_id)).id)
    await answer(store, first)
    again = await claim(store, (await queue(store, conversation_id)).id)
    assert again.input_id == first.input_id


async def test_new_run_is_queued_and_shows_what_was_asked(store: Store) -> None:
    conversation_id = await converse(store)
    new = NewRun(agent_id="sql-agent", metadata={"why": "test"})
    run = await store.runs.create(OWNER, "admin", conversation_id, new, revision=3)
    assert await store.runs.get(OWNER, run.id) == run
    assert run.model_dump(exclude={"id", "created_at"}) == {
        "conversation_id": conversation_id,
        "agent_id": "sql-agent",
        "status": "queued",
        "plan": None,
        "message_id": None,
        "error": None,
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        "usage_estimated": False,
        "metadata": {"why": "test"},
        "forked_from": None,
        "attempt": 0,
        "started_at": None,
        "ended_at": None,
    }
    taken = await claim(store, run.id)
    assert (taken.role, taken.revision, taken.attempt, taken.started) == ("admin", 3, 1, False)


async def test_another_owners_run_is_not_there(store: Store) -> None:
    run = await begin(store)
    for call in (
        store.runs.get("eve", run.run_id),
        store.runs.steps("eve", run.run_id),
        store.runs.request_cancel("eve", run.run_id),
        anext(store.events.follow("eve", run.run_id)),
    ):
        with pytest.raises(NotFound):
            await call


async def test_runs_of_one_conversation_take_turns(store: Store) -> None:
    conversation_id = await converse(store)
    first, second, third = [(await queue(store, conversation_id)).id for _ in range(3)]
    assert await store.queue.claim(second) is None
    held = await claim(store, first)
    assert await store.queue.claim(second) is None
    await answer(store, held)
    assert await store.queue.find_next(conversation_id) == second
    assert await store.queue.claim(third) is None
    assert (await claim(store, second)).run_id == second


@pytest.mark.exhaustive
async def test_many_who_claim_one_run_leave_it_to_one(store: Store) -> None:
    run = await queue(store, await converse(store))
    claims = await asyncio.gather(*(store.queue.claim(run.id) for _ in range(20)))
    assert [each.attempt for each in claims if each] == [1]


async def test_run_handed_back_goes_first_and_costs_no_loss(store: Store) -> None:
    run = await begin(store)
    await queue(store, run.conversation_id)
    await store.queue.hand_back(run.run_id, run.attempt)
    assert await store.queue.find_next(run.conversation_id) == run.run_id
    again = await claim(store, run.run_id, lost=True)
    assert (again.attempt, again.losses) == (2, 0)


async def test_run_of_a_dead_holder_is_taken_over_and_counted(store: Store) -> None:
    run = await begin(store)
    assert await store.queue.claim(run.run_id) is None
    again = await claim(store, run.run_id, lost=True)
    assert (again.attempt, again.losses) == (2, 1)


async def test_hand_back_by_a_former_holder_changes_nothing(store: Store) -> None:
    run = await begin(store)
    await claim(store, run.run_id, lost=True)
    await store.queue.hand_back(run.run_id, run.attempt)
    assert (await store.runs.get(OWNER, run.run_id)).status == "running"


async def test_unfinished_runs_are_listed_with_those_under_way_first(store: Store) -> None:
    waiting = await queue(store, await converse(store))
    running = await begin(store)
    ended = await begin(store)
    await answer(store, ended)
    assert await store.queue.unfinished() == [running.run_id, waiting.id]


async def test_wish_to_cancel_outlives_the_process(store: Store) -> None:
    run = await begin(store)
    assert (await store.runs.request_cancel(OWNER, run.run_id)).status == "running"
    assert (await claim(store, run.run_id, lost=True)).cancel_requested


async def test_cancelling_an_ended_run_changes_nothing(store: Store) -> None:
    run = await begin(store)
    await answer(store, run)
    before = await store.runs.get(OWNER, run.run_id)
    assert await store.runs.request_cancel(OWNER, run.run_id) == before


async def test_message_posted_meanwhile_is_the_next_runs_question(store: Store) -> None:
    run = await begin(store)
    later = await say(store, run.conversation_id, "and then?")
    waiting = await queue(store, run.conversation_id)
    await answer(store, run)
    assert (await claim(store, waiting.id)).input_id == later.id
