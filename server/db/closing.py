"""What a run that ends still owes its log: every started step and tool call is closed before the terminal event."""

from typing import Final, assert_never

from sqlalchemy import select

from graph.events import (
    CallStatus,
    Failure,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    StepFailed,
    ToolCallResult,
    Usage,
    run_events,
)
from server.db.sessions import ReadSession
from server.db.tables import EventRow, RunRow, StepRow, ToolCallRow

Terminal = RunCompleted | RunFailed | RunCancelled
_CANCELLED: Final = Failure(code="cancelled", detail="The run was cancelled.")
_LOST: Final = Failure(code="outcome_lost", detail="It was under way when the run ended; its outcome is not known.")


async def read_closing_events(session: ReadSession, terminal: Terminal) -> list[RunEvent]:
    """Returns the events that close what is open: calls first, then the steps they belong to."""
    run_id, attempt = terminal.run_id, terminal.attempt
    status, call_error, step_error = _reasons(terminal)
    calls = select(ToolCallRow).where(ToolCallRow.run_id == run_id, ToolCallRow.status == "running")
    steps = select(StepRow.id).where(StepRow.run_id == run_id, StepRow.status == "running")
    ended_calls = [
        ToolCallResult(
            run_id=run_id,
            attempt=attempt,
            step_id=call.step_id or "",
            call_id=call.id,
            tool=call.tool,
            status=status,
            error=call_error,
        )
        for call in await session.scalars(calls.order_by(ToolCallRow.started_at, ToolCallRow.id))
    ]
    ended_steps = [
        StepFailed(run_id=run_id, attempt=attempt, step_id=step_id, error=step_error)
        for step_id in await session.scalars(steps.order_by(StepRow.first_seq.desc()))
    ]
    return [*ended_calls, *ended_steps]


async def read_opening_events(session: ReadSession, run: RunRow, attempt: int) -> list[RunEvent]:
    """Returns what an attempt begins with, if it has said nothing yet: also a run that only ends has a beginning."""
    if run.next_seq == 1:
        return [RunStarted(run_id=run.id, attempt=attempt, conversation_id=run.conversation_id, agent_id=run.agent_id)]
    if await read_newest_attempt(session, run) == attempt:
        return []
    return [RunResumed(run_id=run.id, attempt=attempt, from_step=None)]


async def read_newest_attempt(session: ReadSession, run: RunRow) -> int:
    """Returns the attempt that spoke last; the log must not be empty."""
    newest = select(EventRow.json).where(EventRow.run_id == run.id, EventRow.seq == run.next_seq - 1)
    return run_events.validate_json((await session.scalars(newest)).one()).attempt


async def read_usage(session: ReadSession, run_id: str) -> Usage:
    """Returns what the run's steps have taken so far."""
    usages = await session.scalars(select(StepRow.usage).where(StepRow.run_id == run_id))
    return sum(usages, start=Usage())


def _reasons(terminal: Terminal) -> tuple[CallStatus, Failure, Failure]:
    match terminal:
        case RunCancelled():
            return "cancelled", _CANCELLED, _CANCELLED
        case RunFailed():
            return "unknown", _LOST, terminal.error
        case RunCompleted():
            return "unknown", _LOST, _LOST
        case _:
            assert_never(terminal)
