"""A run that nobody carries, though no process died, is found and carried on."""

import asyncio

from graph.events import RunResumed
from server.resources.conversations import NewConversation, NewMessage
from server.resources.runs import NewRun
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final, read_to_end, read_until
from tests.support.scripted_model import Replies, ScriptedModel, anything, says
from tests.support.waiting import until

_EVERY = 0.05


async def put_in_queue(house: House) -> str:
    """Puts a run in the queue as another process would: nobody here hears of it."""
    conversation_id = (await house.store.conversations.create(OWNER, NewConversation())).id
    await house.store.messages.add(OWNER, conversation_id, NewMessage(content="hello"))
    revision, new = (await house.registry.present()).revision, NewRun(agent_id="general")
    return (await house.store.runs.create(OWNER, "user", conversation_id, new, revision)).id


async def test_queued_run_that_nobody_was_told_of_is_carried(site: Site, scripted_model: ScriptedModel) -> None:
    scripted_model.always(anything, Replies.text("Hi."))
    async with site.house(round_every=_EVERY) as house:
        run_id = await put_in_queue(house)
        assert (await read_to_end(house, run_id))[-1].type == "run.completed"


async def test_running_run_whose_holder_is_gone_is_resumed(site: Site, scripted_model: ScriptedModel) -> None:
    scripted_model.always(anything, Replies.text("Hi."))
    async with site.house(round_every=_EVERY) as house:
        run_id = await put_in_queue(house)
        await house.store.queue.claim(run_id)
        assert (await read_to_end(house, run_id))[-1].type == "run.completed"
        assert (await house.store.runs.get(OWNER, run_id)).attempt == 2


async def test_run_that_is_carried_or_waits_for_its_turn_is_left_alone(
    site: Site, scripted_model: ScriptedModel
) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("first"), Replies.text("half ", "whole").held(gate, after=1))
    scripted_model.always(anything, Replies.text("Hi."))
    async with site.house(concurrency=1, round_every=_EVERY) as house:
        first = await ask(house, "first")
        await read_until(house, first.id, "model.delta")
        second, forgotten = await ask(house, "second"), await put_in_queue(house)
        await until(lambda: house.engine.minds(forgotten))  # so two rounds have been made
        gate.set()
        for run in (first, second):
            assert (await final(house, run)).attempt == 1
            assert not [event for event in await read_to_end(house, run.id) if isinstance(event, RunResumed)]
