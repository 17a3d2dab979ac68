"""Long conversations: what falls out of the window is in a summary, made after the answer, each branch its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from nodes.models.port import ChatModel, Usage
from server.db.summaries import Summary
from server.engine.summarizer import count_folded, is_long, open_summarizer
from server.errors import NotFound
from server.resources.conversations import NewConversation, NewMessage
from server.resources.pages import PageQuery
from server.resources.runs import NewRun, Run
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final
from tests.support.disguised_model import DisguisedModel
from tests.support.scripted_model import Replies, Reply, ScriptedModel, ScriptedRequest, prompted, says
from tests.support.waiting import PATIENCE, until

SUMS_UP = prompted("running summary")


@dataclass
class Told:
    usage: list[Usage] = field(default_factory=list)


@dataclass(frozen=True)
class ChoreModel:
    model: ChatModel

    def for_chores(self) -> ChatModel:
        return self.model


@asynccontextmanager
async def summing_up(house: House, name: str = "openai:scripted") -> AsyncIterator[Told]:
    told = Told()
    edition = await house.registry.present()
    chores = ChoreModel(DisguisedModel(edition.models.for_agent(edition.agents["general"]), name=name))
    async with open_summarizer(house.store, house.registry, chores, told.usage.append):
        yield told


async def _converse(house: House, words: Sequence[str]) -> tuple[str, list[str]]:
    """Returns a new conversation in which these were said in turn, with the ids of its messages."""
    conversation = await house.store.conversations.create(OWNER, NewConversation())
    return conversation.id, await _go_on(house, conversation.id, words)


async def _go_on(house: House, conversation_id: str, words: Sequence[str]) -> list[str]:
    ids: list[str] = []
    for place, content in enumerate(words):
        new = NewMessage(role="assistant" if place % 2 else "user", content=content)
        ids.append((await house.store.messages.add(OWNER, conversation_id, new)).id)
    return ids


def _recording(script: ScriptedModel, question: str, answer: str) -> list[ScriptedRequest]:
    asked: list[ScriptedRequest] = []

    def reply(request: ScriptedRequest) -> Reply:
        asked.append(request)
        return Replies.text(answer)

    script.when(says(question), reply)
    return asked


def _words_of(request: ScriptedRequest) -> str:
    return json.dumps(request.body["messages"])


async def _summary(house: House, message_id: str) -> Summary:
    """Waits until there is a summary at or above a message."""

    async def made() -> bool:
        return await house.store.summaries.find(message_id) is not None

    await until(made)
    summary = await house.store.summaries.find(message_id)
    assert summary is not None
    return summary


async def _answered(house: House, question: str, conversation_id: str) -> Run:
    run = await final(house, await ask(house, question, conversation_id))
    assert run.status == "completed"
    return run


@pytest.mark.slow
async def test_what_falls_out_is_summed_up_after_the_answer_and_again_with_what_follows(site: Site) -> None:
    script, gate = site.script, asyncio.Event()
    async with site.house() as house, summing_up(house) as told:
        conversation, ids = await _converse(house, [f"old word {n}" for n in range(50)])
        first = _recording(script, "the first question", "One.")
        script.when(SUMS_UP, Replies.text("They spoke of GREEN TEA.").held(gate).costing(70, 7))
        await _answered(house, "the first question", conversation)  # while the summary is still held back
        assert "old word 0" in _words_of(first[0])
        asked = await script.requested(SUMS_UP)
        gate.set()
        kept = await _summary(house, ids[-1])
        assert (told.usage, "old word 0" in _words_of(asked)) == ([Usage(70, 7)], True)
        assert (kept.content, kept.message_id) == ("They spoke of GREEN TEA.", ids[21])
        (listed,) = (await house.store.summaries.page(OWNER, conversation, PageQuery())).data
        assert (listed.message_id, listed.usage.total_tokens, listed.usage_estimated) == (ids[21], 77, False)
        with pytest.raises(NotFound):
            await house.store.summaries.page("eve", conversation, PageQuery())

        second = _recording(script, "the second question", "Two.")
        await _answered(house, "the second question", conversation)
        shown = _words_of(second[0])
        assert "<summary>\\nThey spoke of GREEN TEA.\\n</summary>" in shown
        assert "You are general." in shown
        assert ('old word 21"' in shown, "old word 22" in shown, "the second question" in shown) == (False, True, True)

        await _go_on(house, conversation, [f"new word {n}" for n in range(20)])
        script.when(SUMS_UP, Replies.text("GREEN TEA, then RED WINE."))
        third = _recording(script, "the third question", "Three.")
        await _answered(house, "the third question", conversation)
        asked = await script.requested(SUMS_UP, 2)
        assert "GREEN TEA" in _words_of(asked)
        assert ('old word 21"' in _words_of(asked), "old word 22" in _words_of(asked)) == (False, True)
        assert "GREEN TEA" in _words_of(third[0])


@pytest.mark.slow
async def test_branch_that_leaves_above_a_summary_does_not_read_it(site: Site) -> None:
    async with site.house() as house, summing_up(house):
        conversation, ids = await _converse(house, [f"old word {n}" for n in range(50)])
        site.script.when(SUMS_UP, Replies.text("They spoke of GREEN TEA."))
        _recording(site.script, "a question", "One.")
        await _answered(house, "a question", conversation)
        await _summary(house, ids[-1])
        other = _recording(site.script, "asked otherwise", "Two.")
        new = NewMessage(content="asked otherwise", parent_id=ids[3])
        await house.store.messages.add(OWNER, conversation, new)
        run = await house.engine.create_run(OWNER, "user", conversation, NewRun(agent_id="general"))
        await final(house, run)
        assert ("GREEN TEA" in _words_of(other[0]), "old word 3" in _words_of(other[0])) == (False, True)


@pytest.mark.slow
async def test_failed_summary_harms_nothing_and_is_tried_again_after_the_next_answer(site: Site) -> None:
    async with site.house() as house, summing_up(house):
        conversation, ids = await _converse(house, [f"old word {n}" for n in range(50)])
        site.script.when(SUMS_UP, Replies.error(400, "no"), Replies.text("GREEN TEA."))
        _recording(site.script, "question", "One.")
        await _answered(house, "question one", conversation)
        await site.script.requested(SUMS_UP)
        await _answered(house, "question two", conversation)
        assert (await _summary(house, ids[-1])).content == "GREEN TEA."


@pytest.mark.slow
async def test_summary_that_was_in_the_making_when_the_server_stopped_is_made_after_the_next_answer(site: Site) -> None:
    _recording(site.script, "question", "One.")
    async with site.house() as house, summing_up(house):
        conversation, ids = await _converse(house, [f"old word {n}" for n in range(50)])
        site.script.when(SUMS_UP, Replies.text("never").held(asyncio.Event()), Replies.text("GREEN TEA."))
        await _answered(house, "question one", conversation)
        cut_off = await site.script.requested(SUMS_UP)
    await asyncio.wait_for(cut_off.gone.wait(), PATIENCE)
    async with site.house() as house, summing_up(house):
        assert await house.store.summaries.find(ids[-1]) is None
        await _answered(house, "question two", conversation)
        assert (await _summary(house, ids[-1])).content == "GREEN TEA."


@pytest.mark.slow
async def test_model_of_this_machine_is_asked_only_when_it_must_be_and_gives_way_to_a_run(site: Site) -> None:
    async with site.house() as house, summing_up(house, "embedded:small"):
        conversation, _ = await _converse(house, [f"old word {n}" for n in range(50)])
        _recording(site.script, "question", "One.")
        await _answered(house, "question one", conversation)
        assert not any(map(SUMS_UP, site.script.requests))
        await _go_on(house, conversation, [f"new word {n}" for n in range(20)])
        site.script.when(SUMS_UP, Replies.text("").held(asyncio.Event()), Replies.text("GREEN TEA."))
        await _answered(house, "question two", conversation)
        asked = await site.script.requested(SUMS_UP)
        run = await _answered(house, "question three", conversation)
        async with asyncio.timeout(PATIENCE):
            await asked.gone.wait()
        assert (await _summary(house, run.message_id or "")).content == "GREEN TEA."


async def test_short_conversation_is_never_summed_up(site: Site) -> None:
    async with site.house() as house, summing_up(house) as told:
        _recording(site.script, "short", "One.")
        run = await _answered(house, "short", (await _converse(house, ["hello", "hi"]))[0])
        answered = await house.store.summaries.find_answered(run.id)
        assert answered is not None
        assert (await house.store.summaries.find(answered.message_id), told.usage) == (None, [])


@pytest.mark.parametrize(
    ("sizes", "room", "early", "full", "folded"),
    [
        ([10] * 40, 1000, False, False, 10),
        ([10] * 50, 1000, True, False, 20),
        ([10] * 61, 1000, True, True, 31),
        ([100] * 8, 1000, True, False, 3),
        ([100] * 11, 1000, True, True, 6),
        ([5000], 1000, True, True, 0),
        ([], 1000, False, False, 0),
    ],
)
def test_conversation_is_long_by_messages_or_by_words(
    sizes: list[int], room: int, early: bool, full: bool, folded: int
) -> None:
    assert (is_long(sizes, room, 0.75), is_long(sizes, room, 1)) == (early, full)
    assert (count_folded(sizes, room) if sizes else 0) == folded
