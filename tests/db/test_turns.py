"""What a new run does to its conversation's unfinished ones: decided in the database, at a cost that does not grow."""

import asyncio

import pytest
from sqlalchemy import create_engine, text

from server.db.store import Store, open_store
from server.db.tables import RunRow
from server.errors import Conflict
from server.resources.pages import PageQuery
from server.resources.runs import Multitask
from tests.db.stories import OWNER, answer, begin, claim, converse, queue, say
from tests.support.statements import watching


async def _statuses(store: Store, conversation_id: str) -> list[str]:
    page = await store.runs.page(OWNER, conversation_id, PageQuery(order="asc"))
    return [run.status for run in page.data]


async def test_run_that_gives_way_is_refused_and_told_to_which(store: Store) -> None:
    active = await begin(store)
    with pytest.raises(Conflict) as refusal:
        await queue(store, active.conversation_id, "reject")
    assert (refusal.value.code, refusal.value.run_id) == ("run_active", active.run_id)
    await answer(store, active)
    assert (await queue(store, active.conversation_id, "reject")).status == "queued"


async def test_of_many_runs_that_would_give_way_one_is_taken(store: Store) -> None:
    conversation_id = await converse(store)
    made = await asyncio.gather(*(queue(store, conversation_id, "reject") for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(each, Conflict) for each in made) == 1
    assert await _statuses(store, conversation_id) == ["queued"]


@pytest.mark.slow
async def test_of_many_runs_in_two_processes_one_is_taken(store: Store, database_url: str) -> None:
    conversation_id = await converse(store)
    async with open_store(database_url) as other:
        asked = [queue(each, conversation_id, "reject") for each in (store, other) * 5]
        made = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(not isinstance(each, Conflict) for each in made) == 1


@pytest.mark.parametrize("multitask", ["interrupt", "rollback"])
async def test_displaced_runs_are_marked_with_the_new_ones_coming(store: Store, multitask: Multitask) -> None:
    active = await begin(store)
    waiting = await queue(store, active.conversation_id)
    new = await queue(store, active.conversation_id, multitask)
    assert await store.queue.unwanted(active.conversation_id) == [active.run_id, waiting.id]
    assert await store.events.cancel_idle(waiting.id)
    await store.events.cancel(active.run_id, active.attempt)
    assert await store.queue.unwanted() == []
    assert (await claim(store, new.id)).cancel_requested is False


@pytest.mark.exhaustive
async def test_interrupted_question_stays_in_the_branch(store: Store) -> None:
    active = await begin(store)
    later = await say(store, active.conversation_id, "no, this")
    new = await queue(store, active.conversation_id, "interrupt")
    await store.events.cancel(active.run_id, active.attempt)
    await claim(store, new.id)
    assert [each.content for each in await store.messages.branch(later.id, 9)] == ["hello", "no, this"]


async def test_rolled_back_questions_leave_the_branch_and_stay_in_the_tree(store: Store) -> None:
    first = await begin(store)
    await answer(store, first)
    for words in ("lost", "lost too"):
        await say(store, first.conversation_id, words)
        await queue(store, first.conversation_id)
    await claim(store, (await store.queue.find_next(first.conversation_id)) or "")
    kept = await say(store, first.conversation_id, "instead")
    new = await queue(store, first.conversation_id, "rollback")
    held, waiting = await store.queue.unwanted()
    await store.events.cancel(held, 1)
    assert await store.events.cancel_idle(waiting)
    assert (await claim(store, new.id)).input_id == kept.id
    assert [each.content for each in await store.messages.branch(kept.id, 9)] == ["hello", "Hi.", "instead"]
    listed = await store.messages.page(OWNER, first.conversation_id, PageQuery(order="asc"))
    assert [each.content for each in listed.data] == ["hello", "Hi.", "lost", "lost too", "instead"]


async def test_question_that_was_answered_before_is_not_rolled_back(store: Store) -> None:
    first = await begin(store)
    await answer(store, first)
    again = await claim(store, (await queue(store, first.conversation_id)).id)
    later = await say(store, first.conversation_id, "and this?")
    new = await queue(store, first.conversation_id, "rollback")
    await store.events.cancel(again.run_id, again.attempt)
    await claim(store, new.id)
    assert [each.content for each in await store.messages.branch(later.id, 9)] == ["hello", "Hi.", "and this?"]


async def test_rollback_without_a_new_message_answers_the_same_question_again(store: Store) -> None:
    active = await begin(store)
    new = await queue(store, active.conversation_id, "rollback")
    await store.events.cancel(active.run_id, active.attempt)
    assert (await claim(store, new.id)).input_id == active.input_id


async def test_ended_runs_of_a_conversation_are_not_looked_at(store: Store, database_url: str) -> None:
    ended = await begin(store)
    await answer(store, ended)
    _copy_run(database_url, ended.run_id, 3000)
    with watching() as watch:
        await say(store, ended.conversation_id, "next")
        waiting = await queue(store, ended.conversation_id, "reject")
        assert await store.queue.find_next(ended.conversation_id) == waiting.id
        await claim(store, waiting.id)
        await queue(store, ended.conversation_id, "interrupt")
        await store.queue.unwanted(ended.conversation_id)
    asked = watch.about("WHERE", "runs.conversation_id", "status")
    assert len(asked) >= 5
    for statement in asked:
        plan = statement.explain(_sync(database_url))
        assert "unfinished_runs" in plan or "one_run_under_way" in plan, (statement.text, plan)


async def test_order_holds_when_the_clock_was_set_back_between_two_starts(store: Store, database_url: str) -> None:
    conversation_id = await converse(store, "said by a clock that was ahead")
    first = await queue(store, conversation_id)
    ahead = _set_ahead(database_url, first.id)
    await say(store, conversation_id, "said after it was set back")
    second = await queue(store, conversation_id)
    assert second.id > ahead
    assert await store.queue.find_next(conversation_id) == ahead
    assert await store.queue.claim(second.id) is None
    await answer(store, await claim(store, ahead))
    taken = await claim(store, second.id)
    branch = await store.messages.branch(taken.input_id, 9)
    assert [each.content for each in branch] == ["said by a clock that was ahead", "Hi.", "said after it was set back"]


def _set_ahead(database_url: str, run_id: str) -> str:
    """Gives a run and its question ids of the far future, behind the product's back; returns the run's."""
    engine = create_engine(_sync(database_url))
    with engine.begin() as connection:
        input_id: str = connection.scalar(text("SELECT input_id FROM runs"))
        run, question = (f"{each[:4].rstrip('_')}_f{each.partition('_')[2][1:]}" for each in (run_id, input_id))
        connection.execute(text("UPDATE messages SET id = :question"), {"question": question})
        connection.execute(text("UPDATE runs SET id = :run, input_id = :question"), {"run": run, "question": question})
    engine.dispose()
    return run


def _copy_run(database_url: str, run_id: str, times: int) -> None:
    """Gives its conversation many runs that ended, behind the product's back."""
    columns = [column.name for column in RunRow.__table__.columns if column.name != "id"]
    names = ", ".join(columns)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :times) "
    copied = f"INSERT INTO runs (id, {names}) {numbers} SELECT id || '-' || i, {names} FROM runs, n WHERE id = :id"
    engine = create_engine(_sync(database_url))
    with engine.begin() as connection:
        connection.execute(text(copied), {"times": times, "id": run_id})
        connection.execute(text("ANALYZE"))
    engine.dispose()


def _sync(database_url: str) -> str:
    return database_url.replace("postgresql://", "postgresql+psycopg://")
