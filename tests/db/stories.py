"""Short ways to bring a store into a state."""

from config.ids import new_id
from graph.events import ModelDelta, RunCompleted, RunEvent, RunStarted, StepCompleted, StepStarted, Usage
from server.db.queue import Claim
from server.db.store import Store
from server.resources.conversations import Message, NewConversation, NewMessage
from server.resources.runs import Multitask, NewRun, Run

OWNER = "ada"
USAGE = Usage(input_tokens=7, output_tokens=3, total_tokens=10)


async def converse(store: Store, content: str = "hello") -> str:
    """Makes a conversation with one user message; returns its id."""
    conversation = await store.conversations.create(OWNER, NewConversation())
    await say(store, conversation.id, content)
    return conversation.id


async def say(store: Store, conversation_id: str, content: str, parent_id: str | None = None) -> Message:
    return await store.messages.add(OWNER, conversation_id, NewMessage(content=content, parent_id=parent_id))


async def queue(store: Store, conversation_id: str, multitask: Multitask = "enqueue") -> Run:
    new = NewRun(agent_id="general", multitask=multitask)
    return await store.runs.create(OWNER, "user", conversation_id, new, revision=1)


async def claim(store: Store, run_id: str, *, lost: bool = False) -> Claim:
    taken = await store.queue.claim(run_id, lost=lost)
    assert taken is not None
    return taken


async def begin(store: Store) -> Claim:
    """Makes a run of a new conversation and claims it."""
    return await claim(store, (await queue(store, await converse(store))).id)


def opening(run: Claim, step_id: str) -> list[RunEvent]:
    return [
        RunStarted(run_id=run.run_id, attempt=run.attempt, conversation_id=run.conversation_id, agent_id=run.agent_id),
        StepStarted(
            run_id=run.run_id, attempt=run.attempt, step_id=step_id, kind="agent", agent="general", task="greet"
        ),
    ]


def words(run: Claim, step_id: str, *deltas: str) -> list[RunEvent]:
    return [
        ModelDelta(run_id=run.run_id, attempt=run.attempt, step_id=step_id, channel="answer", delta=delta)
        for delta in deltas
    ]


def ending(run: Claim, step_id: str, output: str) -> list[RunEvent]:
    return [
        StepCompleted(run_id=run.run_id, attempt=run.attempt, step_id=step_id, output=output, usage=USAGE),
        RunCompleted(run_id=run.run_id, attempt=run.attempt, message_id=new_id("msg"), usage=USAGE),
    ]


async def answer(store: Store, run: Claim, text: str = "Hi.") -> None:
    """Carries a claimed run to its end."""
    step_id = new_id("step")
    events = [*opening(run, step_id), *words(run, step_id, text), *ending(run, step_id, text)]
    await store.events.append(run.run_id, run.attempt, events)
