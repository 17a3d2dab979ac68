"""What runs have taken so far, as the log and its rows tell: what a budget goes on from after a restart."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import select, true, update

from graph.events import RunEvent, StepCompleted, StepFailed, StepStarted, Usage, run_events
from nodes.models.port import Usage as Taken
from nodes.progress import NOT_BEGUN
from nodes.spending import Spending
from server.db.database import Database
from server.db.sessions import ReadSession, WriteSession
from server.db.tables import EventRow, RunRow, StepRow, ToolCallRow

_TELLING: Final = ("run.started", "run.resumed", "step.started", "step.completed", "step.failed")


class Spendings:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, run_id: str) -> Spending:
        """Returns what a run took in all of its attempts."""
        spending = Spending()
        async with self._database.read() as session:
            for row in await session.scalars(select(StepRow).where(StepRow.run_id == run_id)):
                if not (row.error and row.error.code in NOT_BEGUN):
                    told = row.usage
                    taken = Taken(told.input_tokens, told.output_tokens, row.cost_usd, row.usage_estimated)
                    spending.of(row.id).usage = taken
            of_steps = (ToolCallRow.run_id == run_id, ToolCallRow.step_id.is_not(None))
            calls = select(ToolCallRow.id, ToolCallRow.step_id).where(*of_steps)
            for call_id, step_id in await session.execute(calls):
                spending.of(step_id or "").calls.add(call_id)
            count_seconds(await _read_marks(session, run_id), spending)
        return spending


async def write_usages(session: WriteSession, usages: Mapping[str, Taken]) -> None:
    """Writes what steps have taken so far, also those that fail: their event does not tell."""
    for step_id, taken in usages.items():
        told = Usage.of(taken.input_tokens, taken.output_tokens)
        values = {"usage": told, "cost_usd": taken.cost_usd, "usage_estimated": taken.estimated}
        await session.execute(update(StepRow).where(StepRow.id == step_id).values(values))
    if guessed := [step_id for step_id, taken in usages.items() if taken.estimated]:
        of_steps = select(StepRow.run_id).where(StepRow.id.in_(guessed))
        await session.execute(update(RunRow).where(RunRow.id.in_(of_steps)).values(usage_estimated=True))


def count_seconds(marks: Iterable[RunEvent], spending: Spending) -> None:
    """Adds the time that each attempt, and each step in it, was at work. `marks` are in order: what begins an attempt
    or begins or ends a step, and the last event of each attempt. What lies between two attempts was waiting."""
    began: dict[str, RunEvent] = {}
    first = newest = None
    for event in marks:
        if first is None or newest is None or event.attempt > first.attempt:
            if first and newest:
                _end_attempt(began, first, newest, spending)
            first, began = event, {}
        newest = event
        if isinstance(event, StepStarted):
            began[event.step_id] = event
        elif isinstance(event, StepCompleted | StepFailed):
            began.pop(event.step_id, None)
    if first and newest:
        _end_attempt(began, first, newest, spending)


def _end_attempt(began: Mapping[str, RunEvent], first: RunEvent, last: RunEvent, spending: Spending) -> None:
    spending.seconds += _between(first, last)
    for step_id, event in began.items():
        spending.of(step_id).seconds += _between(event, last)


def _between(first: RunEvent, last: RunEvent) -> float:
    return max(0.0, (last.at - first.at).total_seconds())


async def _read_marks(session: ReadSession, run_id: str) -> list[RunEvent]:
    of_run = select(EventRow.seq, EventRow.type, EventRow.json).where(EventRow.run_id == run_id)
    telling = {
        seq: (kind, text) for seq, kind, text in await session.execute(of_run.where(EventRow.type.in_(_TELLING)))
    }
    # what a person answers is no work: it comes when the run waits, perhaps for a day
    worked = of_run.where(EventRow.type != "approval.resolved").order_by(EventRow.seq.desc()).limit(1)
    resumed = [seq for seq, (kind, _) in telling.items() if kind == "run.resumed"]
    for before in (*(EventRow.seq < seq for seq in resumed), true()):
        for seq, kind, text in await session.execute(worked.where(before)):
            telling[seq] = (kind, text)
    return [run_events.validate_json(telling[seq][1]) for seq in sorted(telling)]
