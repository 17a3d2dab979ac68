"""Histories that are sent again and again, on both databases: found, aligned, and never stored twice."""

import asyncio
from collections.abc import Sequence

from server.db.histories import History, Question, Turn
from server.db.store import Store
from server.resources.pages import PageQuery

OWNER = "ann"


def history(*said: str, standing: str = "", key: str | None = "chat", namespace: str = "chat") -> History:
    """The user begins, and the turns alternate."""
    turns = [Turn("user" if index % 2 == 0 else "assistant", text) for index, text in enumerate(said)]
    return History(turns=turns, standing=standing, namespace=namespace, key=key)


async def stored(store: Store, question: Question) -> list[tuple[str, str]]:
    page = await store.messages.page(OWNER, question.conversation_id, PageQuery(limit=100, order="asc"))
    return [(message.role, message.content) for message in page.data]


async def branch(store: Store, question: Question, limit: int = 60) -> Sequence[str]:
    return [message.content for message in await store.messages.branch(question.message_id, limit)]


async def test_the_same_history_at_the_same_time_is_stored_once(store: Store) -> None:
    sent = history("one", "two", "three", standing="Be kind.")
    placed = await asyncio.gather(*(store.histories.place(OWNER, sent) for _ in range(8)))
    assert len(set(placed)) == 1
    assert await stored(store, placed[0]) == [
        ("system", "Be kind."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]


async def test_an_answer_that_comes_back_changed_is_the_answer_in_a_chat_and_another_one_elsewhere(
    store: Store,
) -> None:
    for key in ("chat", None):
        first = await store.histories.place(OWNER, history("hi", "hello", "next", key=key, namespace="n"))
        second = await store.histories.place(OWNER, history("hi", "HELLO", "more", key=key, namespace="n"))
        assert (first.conversation_id == second.conversation_id) == (key is not None)
        assert await branch(store, second) == ["hi", "hello" if key else "HELLO", "more"]


async def test_white_space_makes_no_other_history(store: Store) -> None:
    first = await store.histories.place(OWNER, history("hi", "a\n\nb", "next", key=None))
    second = await store.histories.place(OWNER, history("hi", " a b", "then", key=None))
    assert first.conversation_id == second.conversation_id
    assert len(await stored(store, second)) == 4


async def test_standing_words_hold_however_far_back_they_were_said(store: Store) -> None:
    said = [f"words {index}" for index in range(41)]
    question = await store.histories.place(OWNER, history(*said, standing="Be brief."))
    assert await branch(store, question, limit=3) == ["Be brief.", "words 38", "words 39", "words 40"]


async def test_standing_words_are_taken_back_by_none(store: Store) -> None:
    await store.histories.place(OWNER, history("one", standing="Rhyme."))
    question = await store.histories.place(OWNER, history("one", "two", "three"))
    assert await branch(store, question) == ["one", "two", "three"]
