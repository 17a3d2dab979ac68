"""The event log: guarded, gap-free, final; and read again byte for byte."""

import json

import pytest

from config.ids import new_id
from graph.events import (
    Failure,
    Plan,
    PlanCreated,
    PlannedStep,
    RunCompleted,
    RunEvent,
    RunResumed,
    StepFailed,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
    Usage,
    run_events,
)
from server.db.events import Fenced
from server.db.feed import LoggedEvent
from server.db.queue import Claim
from server.db.store import Store
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, USAGE, answer, begin, claim, converse, ending, opening, queue, words

NONE_YET = Usage()


async def _log(store: Store, run_id: str) -> list[LoggedEvent]:
    return await store.events.read(run_id, limit=10_000)


def _call(run: Claim, step_id: str, call_id: str) -> ToolCallStarted:
    return ToolCallStarted(
        run_id=run.run_id, attempt=run.attempt, step_id=step_id, call_id=call_id, tool="time__now", arguments={"q": 1}
    )


async def test_events_are_numbered_without_a_gap_and_stored_as_they_are_sent(store: Store) -> None:
    run, step_id = await begin(store), new_id("step")
    first = await store.events.append(run.run_id, 1, opening(run, step_id))
    second = await store.events.append(run.run_id, 1, words(run, step_id, "Grüße\n", "\u2028"))
    assert [event.seq for event in [*first, *second]] == [1, 2, 3, 4]
    assert await _log(store, run.run_id) == [*first, *second]
    for event in second:
        assert "\n" not in event.json
        assert run_events.validate_json(event.json).seq == event.seq


async def test_former_holder_writes_nothing(store: Store) -> None:
    run, step_id = await begin(store), new_id("step")
    await store.events.append(run.run_id, 1, opening(run, step_id))
    await claim(store, run.run_id, lost=True)
    before = await _log(store, run.run_id)
    with pytest.raises(Fenced):
        await store.events.append(run.run_id, 1, words(run, step_id, "late"))
    with pytest.raises(Fenced):
        await store.events.append(run.run_id, 1, ending(run, step_id, "late"))
    with pytest.raises(Fenced):
        await store.events.cancel(run.run_id, 1)
    assert await _log(store, run.run_id) == before


async def test_end_is_final(store: Store) -> None:
    run = await begin(store)
    await answer(store, run)
    before = (await _log(store, run.run_id), await store.runs.get(OWNER, run.run_id))
    for late in (
        store.events.append(run.run_id, 1, words(run, "step_1", "late")),
        store.events.fail(run.run_id, 1, Failure(code="internal_error", detail="late")),
        store.events.cancel(run.run_id, 1),
    ):
        with pytest.raises(Fenced):
            await late
    assert not await store.events.cancel_idle(run.run_id)
    assert await store.queue.claim(run.run_id, lost=True) is None
    assert before == (await _log(store, run.run_id), await store.runs.get(OWNER, run.run_id))


async def test_completed_run_stores_its_answer_usage_and_status_together(store: Store) -> None:
    run, step_id = await begin(store), new_id("step")
    await store.events.append(run.run_id, 1, opening(run, step_id))
    await store.events.append(run.run_id, 1, words(run, step_id, "Good ", "day."))
    done = ending(run, step_id, "Good day.")
    await store.events.append(run.run_id, 1, done)
    stored = await store.runs.get(OWNER, run.run_id)
    message = (await store.messages.page(OWNER, run.conversation_id, PageQuery(limit=1))).data[0]
    assert isinstance(done[-1], RunCompleted)
    assert (stored.status, stored.usage, stored.message_id) == ("completed", USAGE, done[-1].message_id)
    assert stored.ended_at == message.created_at
    assert message.model_dump(exclude={"created_at"}) == {
        "id": done[-1].message_id,
        "conversation_id": run.conversation_id,
        "parent_id": run.input_id,
        "role": "assistant",
        "content": "Good day.",
        "attachments": [],
        "run_id": run.run_id,
    }


async def test_answer_is_what_the_last_attempt_of_the_last_speaking_step_said(store: Store) -> None:
    run, first, last = await begin(store), new_id("step"), new_id("step")
    started = StepStarted(run_id=run.run_id, step_id=last, kind="synthesis", agent="router", task="sum up")
    events = [*opening(run, first), *words(run, first, "aside"), started, *words(run, last, "half a sen")]
    await store.events.append(run.run_id, 1, events)
    again = await claim(store, run.run_id, lost=True)
    reopened = started.model_copy(update={"attempt": 2})
    resumed = RunResumed(run_id=run.run_id, attempt=2, from_step=last)
    events = [
        resumed,
        reopened,
        *words(again, last, "A whole ", "sentence."),
        *ending(again, last, "A whole sentence."),
    ]
    await store.events.append(run.run_id, 2, events)
    page = await store.messages.page(OWNER, run.conversation_id, PageQuery(limit=1))
    assert page.data[0].content == "A whole sentence."


async def test_steps_show_plan_calls_and_outcomes(store: Store) -> None:
    run, plan_id, step_id = await begin(store), new_id("step"), new_id("step")
    plan = Plan(steps=(PlannedStep(id=step_id, agent="clock", task="what time", depends_on=(plan_id,)),))
    ids = [new_id("call"), new_id("call")]
    events: list[RunEvent] = [
        *opening(run, plan_id),
        PlanCreated(run_id=run.run_id, step_id=plan_id, plan=plan),
        StepStarted(run_id=run.run_id, step_id=step_id, kind="agent", agent="clock", task="what time"),
        _call(run, step_id, ids[0]),
        ToolCallResult(
            run_id=run.run_id, step_id=step_id, call_id=ids[0], tool="time__now", status="ok", content="12:00"
        ),
        ToolCallResult(
            run_id=run.run_id,
            step_id=step_id,
            call_id=ids[1],
            tool="time__set",
            status="denied",
            error=Failure(code="denied_by_policy", detail="no"),
        ),
    ]
    await store.events.append(run.run_id, 1, events)
    assert (await store.runs.get(OWNER, run.run_id)).plan == plan
    step = (await store.runs.steps(OWNER, run.run_id))[1]
    assert step.model_dump() == {
        "id": step_id,
        "kind": "agent",
        "agent": "clock",
        "task": "what time",
        "depends_on": [plan_id],
        "status": "running",
        "output": None,
        "error": None,
        "usage": NONE_YET.model_dump(),
        "usage_estimated": False,
        "tool_calls": [
            {
                "id": ids[0],
                "tool": "time__now",
                "arguments": {"q": 1},
                "status": "ok",
                "result": "12:00",
                "error": None,
                "artifact_id": None,
            },
            {
                "id": ids[1],
                "tool": "time__set",
                "arguments": {},
                "status": "denied",
                "result": None,
                "error": {"code": "denied_by_policy", "detail": "no"},
                "artifact_id": None,
            },
        ],
    }


async def test_failing_run_closes_what_is_open(store: Store) -> None:
    run, step_id, call_id = await begin(store), new_id("step"), new_id("call")
    await store.events.append(run.run_id, 1, [*opening(run, step_id), _call(run, step_id, call_id)])
    failure = Failure(code="internal_error", detail="It broke.")
    await store.events.fail(run.run_id, 1, failure)
    tail = [json.loads(event.json) for event in (await _log(store, run.run_id))[3:]]
    assert [(event["type"], event.get("status"), event["error"]["code"]) for event in tail] == [
        ("tool.call.result", "unknown", "outcome_lost"),
        ("step.failed", None, "internal_error"),
        ("run.failed", None, "internal_error"),
    ]
    assert (await store.runs.get(OWNER, run.run_id)).error == failure
    step = (await store.runs.steps(OWNER, run.run_id))[0]
    assert (step.status, step.error, step.tool_calls[0].status) == ("failed", failure, "unknown")


async def test_cancelled_run_says_so_of_all_that_was_open(store: Store) -> None:
    run, step_id, call_id = await begin(store), new_id("step"), new_id("call")
    await store.events.append(run.run_id, 1, [*opening(run, step_id), _call(run, step_id, call_id)])
    await store.events.cancel(run.run_id, 1)
    tail = [run_events.validate_json(event.json) for event in (await _log(store, run.run_id))[3:]]
    assert [event.type for event in tail] == ["tool.call.result", "step.failed", "run.cancelled"]
    assert isinstance(tail[0], ToolCallResult)
    assert tail[0].status == "cancelled"
    assert isinstance(tail[1], StepFailed)
    assert tail[1].error.code == "cancelled"
    assert (await store.runs.get(OWNER, run.run_id)).status == "cancelled"


async def test_run_cancelled_in_the_queue_began_and_was_cancelled(store: Store) -> None:
    holder = await begin(store)
    waiting = await queue(store, holder.conversation_id)
    assert await store.events.cancel_idle(waiting.id)
    assert [event.type for event in await _log(store, waiting.id)] == ["run.started", "run.cancelled"]
    assert (await store.runs.get(OWNER, waiting.id)).status == "cancelled"
    assert not await store.events.cancel_idle(holder.run_id)


async def test_run_that_is_ended_before_its_first_event_has_a_first_event(store: Store) -> None:
    run = await begin(store)
    await store.events.fail(run.run_id, 1, Failure(code="worker_lost", detail="gone"))
    assert [event.type for event in await _log(store, run.run_id)] == ["run.started", "run.failed"]


async def test_outcomes_of_earlier_calls_are_known(store: Store) -> None:
    run, step_id, done, open_ = await begin(store), new_id("step"), new_id("call"), new_id("call")
    result = ToolCallResult(
        run_id=run.run_id, step_id=step_id, call_id=done, tool="time__now", status="ok", content="12:00"
    )
    events = [*opening(run, step_id), _call(run, step_id, done), result, _call(run, step_id, open_)]
    await store.events.append(run.run_id, 1, events)
    outcomes = await store.tool_calls.outcomes(run.run_id)
    assert outcomes[open_] is None
    known = outcomes[done]
    assert known is not None
    assert (known.status, known.content) == ("ok", "12:00")


async def test_event_the_database_cannot_hold_is_kept_readably(store: Store) -> None:
    conversation_id = await converse(store)
    run, step_id = await claim(store, (await queue(store, conversation_id)).id), new_id("step")
    events = [*opening(run, step_id), *words(run, step_id, "a\x00b", "\ud83d"), *ending(run, step_id, "a\x00b\ud83d")]
    await store.events.append(run.run_id, 1, events)
    page = await store.messages.page(OWNER, conversation_id, PageQuery(limit=1))
    assert page.data[0].content == "a\ufffdb\ufffd"
