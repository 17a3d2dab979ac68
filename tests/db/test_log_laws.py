"""The laws of the log, over random stories: steps, words and calls in any order, crashes and every kind of end."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.ids import new_id
from graph.events import (
    TERMINAL,
    Failure,
    ModelDelta,
    RunCompleted,
    RunEvent,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
    run_events,
)
from server.db.events import Fenced
from server.db.feed import LoggedEvent
from server.db.queue import Claim
from server.db.store import Store
from server.resources.pages import PageQuery
from server.resources.runs import StepStatus, ToolCallStatus
from tests.db.stories import OWNER, USAGE, begin, claim, words

Deed = Literal["open", "say", "work", "call", "result", "done", "broken", "crash"]
Story = list[list[tuple[Deed, int]]]
Ending = Literal["completed", "failed", "cancelled"]
_DEEDS: tuple[Deed, ...] = ("open", "say", "work", "call", "result", "done", "broken", "crash")
stories = st.lists(st.lists(st.tuples(st.sampled_from(_DEEDS), st.integers(0, 2)), min_size=1, max_size=6), max_size=8)


@dataclass
class Telling:
    """Tells a story to the store as the engine would; a deed that does not fit the moment is left out."""

    store: Store
    run: Claim
    steps: list[str] = field(default_factory=lambda: [new_id("step") for _ in range(3)])
    calls: dict[str, str] = field(default_factory=dict)
    open_steps: set[str] = field(default_factory=set)

    async def tell(self, story: Story, ending: Ending) -> None:
        run = self.run
        started = RunStarted(run_id=run.run_id, conversation_id=run.conversation_id, agent_id=run.agent_id)
        await self._append([started])
        for batch in story:
            if any(deed == "crash" for deed, _ in batch):
                await self._crash()
            events = [event for deed, number in batch for event in self._events(deed, self.steps[number])]
            if events:
                await self._append(events)
        await self._end(ending)

    async def _append(self, events: list[RunEvent]) -> None:
        await self.store.events.append(self.run.run_id, self.run.attempt, events)

    async def _crash(self) -> None:
        former, before = self.run, await read(self.store, self.run.run_id)
        self.run = await claim(self.store, former.run_id, lost=True)
        self.open_steps.clear()
        with pytest.raises(Fenced):
            await self.store.events.append(former.run_id, former.attempt, words(former, self.steps[0], "late"))
        assert await read(self.store, former.run_id) == before
        await self._append([RunResumed(run_id=former.run_id, attempt=self.run.attempt, from_step=None)])

    def _events(self, deed: Deed, step_id: str) -> list[RunEvent]:
        run_id, attempt = self.run.run_id, self.run.attempt
        match deed, step_id in self.open_steps, step_id in self.calls:
            case "open", _, _:
                self.open_steps.add(step_id)
                opened = StepStarted(run_id=run_id, step_id=step_id, kind="agent", agent="general", task="t")
                return [opened.model_copy(update={"attempt": attempt})]
            case "say", True, _:
                return words(self.run, step_id, f"{attempt} ", "word ")
            case "work", True, _:
                return [ModelDelta(run_id=run_id, attempt=attempt, step_id=step_id, channel="work", delta="hm")]
            case ("call", True, False) | ("result", True, True):
                return [self._call(step_id)]
            case ("done", True, False) | ("broken", True, False):
                return [self._close(step_id, deed)]
            case _:
                return []

    def _call(self, step_id: str) -> RunEvent:
        event: RunEvent
        if call_id := self.calls.pop(step_id, None):
            event = ToolCallResult(run_id=self.run.run_id, step_id=step_id, call_id=call_id, tool="a__b", status="ok")
        else:
            call_id = self.calls[step_id] = new_id("call")
            event = ToolCallStarted(run_id=self.run.run_id, step_id=step_id, call_id=call_id, tool="a__b", arguments={})
        return event.model_copy(update={"attempt": self.run.attempt})

    def _close(self, step_id: str, deed: Deed) -> RunEvent:
        self.open_steps.remove(step_id)
        run_id, attempt = self.run.run_id, self.run.attempt
        if deed == "done":
            return StepCompleted(run_id=run_id, attempt=attempt, step_id=step_id, output="out", usage=USAGE)
        error = Failure(code="model_timeout", detail="slow")
        return StepFailed(run_id=run_id, attempt=attempt, step_id=step_id, error=error)

    async def _end(self, ending: Ending) -> None:
        run_id, attempt = self.run.run_id, self.run.attempt
        match ending:
            case "completed":
                message_id = new_id("msg")
                await self._append([RunCompleted(run_id=run_id, attempt=attempt, message_id=message_id, usage=USAGE)])
            case "failed":
                await self.store.events.fail(run_id, attempt, Failure(code="internal_error", detail="broke"))
            case "cancelled":
                await self.store.events.cancel(run_id, attempt)


async def read(store: Store, run_id: str) -> list[LoggedEvent]:
    return await store.events.read(run_id, limit=10_000)


_told = given(story=stories, ending=st.sampled_from(("completed", "failed", "cancelled")))
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.exhaustive
@_told
@settings(_patient, max_examples=5)
async def test_whatever_happens_the_log_keeps_its_laws(store: Store, story: Story, ending: Ending) -> None:
    await check_laws(store, story, ending)


@pytest.mark.exhaustive
@pytest.mark.slow
@_told
@settings(_patient, max_examples=60)
async def test_whatever_else_happens_the_log_keeps_its_laws(store: Store, story: Story, ending: Ending) -> None:
    await check_laws(store, story, ending)


async def check_laws(store: Store, story: Story, ending: Ending) -> None:
    telling = Telling(store, await begin(store))
    await telling.tell(story, ending)
    run_id = telling.run.run_id
    logged = await read(store, run_id)
    log = [run_events.validate_json(event.json) for event in logged]
    check_order(log, run_id)
    await check_replay(store, run_id, logged)
    await check_projection(store, telling.run, log)
    assert store.feed.readers == 0


def check_order(log: list[RunEvent], run_id: str) -> None:
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert {event.run_id for event in log} == {run_id}
    assert [event.type == "run.started" for event in log] == [True] + [False] * (len(log) - 1)
    assert [event.type in TERMINAL for event in log] == [False] * (len(log) - 1) + [True]
    attempts = [event.attempt for event in log]
    assert attempts == sorted(attempts)


async def check_replay(store: Store, run_id: str, logged: list[LoggedEvent]) -> None:
    async def rest(after: int) -> list[LoggedEvent]:
        return [event async for event in store.events.follow(OWNER, run_id, after)]

    cursors = range(len(logged) + 1)
    assert await asyncio.gather(*(rest(after) for after in cursors)) == [logged[after:] for after in cursors]


async def check_projection(store: Store, claimed: Claim, log: list[RunEvent]) -> None:
    run = await store.runs.get(OWNER, claimed.run_id)
    steps = await store.runs.steps(OWNER, claimed.run_id)
    assert run.status == log[-1].type.removeprefix("run.")
    assert run.attempt == claimed.attempt
    assert {step.id: step.status for step in steps} == fold_steps(log)
    assert {call.id: call.status for step in steps for call in step.tool_calls} == fold_calls(log)
    assert "running" not in {*fold_steps(log).values(), *fold_calls(log).values()}
    if isinstance(last := log[-1], RunCompleted):
        newest = (await store.messages.page(OWNER, claimed.conversation_id, PageQuery(limit=1))).data[0]
        assert (newest.id, run.message_id, newest.content) == (last.message_id, last.message_id, spoken(log))
    else:
        assert run.message_id is None


def fold_steps(log: list[RunEvent]) -> dict[str, StepStatus]:
    states: dict[str, StepStatus] = {}
    for event in log:
        if isinstance(event, StepStarted):
            states[event.step_id] = "running"
        elif isinstance(event, StepCompleted | StepFailed):
            states[event.step_id] = "completed" if isinstance(event, StepCompleted) else "failed"
    return states


def fold_calls(log: list[RunEvent]) -> dict[str, ToolCallStatus]:
    states: dict[str, ToolCallStatus] = {}
    for event in log:
        if isinstance(event, ToolCallStarted):
            states[event.call_id] = "running"
        elif isinstance(event, ToolCallResult):
            states[event.call_id] = event.status
    return states


def spoken(log: list[RunEvent]) -> str:
    """Reads backwards: the last word that stands tells the step, its last opening tells where its words begin."""
    openings = {event.step_id: event.seq for event in log if isinstance(event, StepStarted)}
    said = [event for event in log if isinstance(event, ModelDelta) and event.channel == "answer"]
    standing = [event for event in said if event.seq > openings[event.step_id]]
    if not standing:
        return ""
    # The last speaker is whose standing words began last, as in a plan whose synthesis follows its steps.
    first = {event.step_id: event.seq for event in reversed(standing)}
    speaker = max(first, key=lambda step_id: first[step_id])
    return "".join(event.delta for event in standing if event.step_id == speaker)
