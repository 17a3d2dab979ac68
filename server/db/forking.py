"""Forks: what a run that goes another way takes over from one that has ended."""

from collections.abc import Collection

from sqlalchemy import select

from config.agents import ROUTER
from graph.events import Plan, PlanCreated, PlannedStep, run_events
from graph.forking import ForkError, HeadStart, Source, SourceStep, Wish, build_head_start
from server.db.reading import read_by
from server.db.sessions import ReadSession
from server.db.tables import EventRow, RunRow, StepRow
from server.db.turns import ACTIVE
from server.errors import Conflict, Invalid
from server.resources.runs import NewFork


def check_forkable(source: RunRow) -> None:
    """Raises: Conflict, while the run has not ended."""
    if source.status in ACTIVE:
        detail = f"The run {source.id} is {source.status}; it can be forked once it has ended. Cancel it, or wait."
        raise Conflict("run_not_ended", detail)


def choose_agent(source: RunRow, new: NewFork, agents: Collection[str]) -> str:
    """Returns the agent of the fork itself: the router, or the one that answers without a plan.

    Raises:
        Invalid: the one named, or the one of the forked run, is not there.
    """
    planned = source.agent_id == ROUTER
    if new.agent_id == ROUTER or (new.agent_id is not None and new.agent_id not in agents):
        detail = f"There is no enabled agent {new.agent_id!r} for a step; GET /v1/agents lists them."
        raise Invalid("unknown_agent", detail, pointer="/agent_id")
    agent_id = source.agent_id if planned else new.agent_id or source.agent_id
    if agent_id not in agents:
        detail = f"The run's agent {agent_id!r} is not enabled any more; name another with `agent_id`."
        raise Invalid("unknown_agent", detail, pointer="/agent_id")
    return agent_id


async def read_head_start(session: ReadSession, source: RunRow, new: NewFork, run_id: str) -> HeadStart | None:
    """Returns what the fork `run_id` begins with; None when it begins with its planning.

    Raises:
        Conflict: the step is not one that the run can be forked from.
    """
    wish = Wish(step_id=new.step_id, task=new.task, agent=new.agent_id)
    try:
        return build_head_start(run_id, await _read_source(session, source), wish)
    except ForkError as error:
        raise Conflict(error.code, str(error)) from error


async def _read_source(session: ReadSession, run: RunRow) -> Source:
    rows = await session.scalars(select(StepRow).where(StepRow.run_id == run.id).order_by(StepRow.first_seq))
    kept = {step.id: step.made_as for step in run.head_start.done} if run.head_start else {}
    steps = tuple(SourceStep(row.id, row.kind, row.agent, row.task, row.output, kept.get(row.id, "")) for row in rows)
    read = await read_by(session, run)
    if run.agent_id != ROUTER:
        only = tuple(PlannedStep(id=step.id, agent=step.agent, task=step.task) for step in steps)
        return Source((Plan(steps=only),) if only else (), steps, read)
    return Source(await _read_plans(session, run.id), steps, read)


async def _read_plans(session: ReadSession, run_id: str) -> tuple[Plan, ...]:
    """Returns the plan, and the one made after a failure; of a planning that a crash repeated, what came of it last."""
    rows = select(EventRow.json).where(EventRow.run_id == run_id, EventRow.type == "plan.created")
    events = [run_events.validate_json(text) for text in await session.scalars(rows.order_by(EventRow.seq))]
    return tuple({event.step_id: event.plan for event in events if isinstance(event, PlanCreated)}.values())
