"""What the log says, as rows that can be asked: a fold over events, written in the events' own transaction."""

from datetime import datetime, timedelta
from typing import assert_never

from sqlalchemy import select, update

from graph.events import (
    ApprovalRequested,
    ApprovalResolved,
    ModelDelta,
    PlanCreated,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
    Usage,
)
from mcp_config.tools import ELICITATION
from server.db.answer import read_answer
from server.db.digests import next_digest
from server.db.reading import read_by
from server.db.sessions import WriteSession
from server.db.tables import ApprovalRow, MessageRow, RunRow, StepRow, ToolCallRow


async def project(session: WriteSession, event: RunEvent, patience: timedelta) -> None:
    """Brings the rows up to date with one event that is in the log; `patience` is how long a person may take."""
    match event:
        case ModelDelta() | RunStarted() | RunResumed():
            pass  # the log alone keeps these; the claim has set the run's status and times
        case ApprovalRequested():
            await _ask(session, event, event.at + patience)
        case ApprovalResolved():
            pass  # who resolves it writes the row, which tells more than the event
        case PlanCreated():
            await session.execute(update(RunRow).where(RunRow.id == event.run_id).values(plan=event.plan))
        case StepStarted() | StepCompleted() | StepFailed():
            await _project_step(session, event)
        case ToolCallStarted() | ToolCallResult():
            await _project_call(session, event)
        case RunCompleted() | RunFailed() | RunCancelled():
            await _project_end(session, event)
        case _:
            assert_never(event)


async def _project_step(session: WriteSession, event: StepStarted | StepCompleted | StepFailed) -> None:
    match event:
        case StepStarted():
            await _open_step(session, event)
        case StepCompleted():
            ended = {"status": "completed", "output": event.output, "usage": event.usage}
            await session.execute(update(StepRow).where(StepRow.id == event.step_id).values(ended))
        case StepFailed():
            broken = {"status": "failed", "error": event.error}
            await session.execute(update(StepRow).where(StepRow.id == event.step_id).values(broken))
        case _:
            assert_never(event)


async def _open_step(session: WriteSession, event: StepStarted) -> None:
    """Adds the step, or opens it again: an attempt that starts over voids what the one before said."""
    row = await session.get(StepRow, event.step_id)
    if row is None:
        depends_on = await _dependencies(session, event)
        row = StepRow(id=event.step_id, run_id=event.run_id, first_seq=event.seq, depends_on=depends_on)
        row.usage, row.cost_usd, row.usage_estimated = Usage(), 0.0, False
        session.add(row)
    row.kind, row.agent, row.task = event.kind, event.agent, event.task
    row.status, row.output, row.error = "running", None, None  # what was taken is not given back
    await session.flush()


async def _dependencies(session: WriteSession, event: StepStarted) -> list[str]:
    plan = await session.scalar(select(RunRow.plan).where(RunRow.id == event.run_id))
    planned = {step.id: step.depends_on for step in plan.steps} if plan else {}
    return list(planned.get(event.step_id, ()))


async def _project_call(session: WriteSession, event: ToolCallStarted | ToolCallResult) -> None:
    row = await session.get(ToolCallRow, event.call_id)
    if row is None:
        row = await _new_call(session, event)
        session.add(row)
    match event:
        case ToolCallStarted():
            row.arguments, row.status, row.ended_at = event.arguments, "running", None
            row.result, row.error, row.artifact_id = None, None, None
        case ToolCallResult():
            row.status, row.ended_at = event.status, event.at
            row.result, row.error, row.artifact_id = event.content, event.error, event.artifact_id
        case _:
            assert_never(event)
    await session.flush()


async def _new_call(session: WriteSession, event: ToolCallStarted | ToolCallResult) -> ToolCallRow:
    """A call that policy or schema stopped before it was dispatched has a result and no start."""
    owner = await session.scalar(select(RunRow.owner).where(RunRow.id == event.run_id))
    return ToolCallRow(
        id=event.call_id,
        owner=owner,
        run_id=event.run_id,
        step_id=event.step_id,
        tool=event.tool,
        arguments={},
        started_at=event.at,
    )


async def _ask(session: WriteSession, event: ApprovalRequested, expires_at: datetime) -> None:
    owner, role = (await session.execute(select(RunRow.owner, RunRow.role).where(RunRow.id == event.run_id))).one()
    row = ApprovalRow(
        id=event.approval_id,
        kind="question" if event.rule == ELICITATION else "call",
        owner=owner,
        run_id=event.run_id,
        step_id=event.step_id,
        call_id=event.call_id,
        agent=await session.scalar(select(StepRow.agent).where(StepRow.id == event.step_id)),
        role=role,
        tool=event.tool,
        arguments=event.arguments,
        rule=event.rule,
        status="pending",
        created_at=event.at,
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()


async def _project_end(session: WriteSession, event: RunCompleted | RunFailed | RunCancelled) -> None:
    run = await session.get_one(RunRow, event.run_id, populate_existing=True)
    run.ended_at, run.usage = event.at, event.usage
    match event:
        case RunCompleted():
            run.status, run.message_id = "completed", event.message_id
            session.add(await _answer(session, run, event))
        case RunFailed():
            run.status, run.error = "failed", event.error
        case RunCancelled():
            run.status = "cancelled"
        case _:
            assert_never(event)
    open_questions = (ApprovalRow.run_id == run.id, ApprovalRow.status == "pending")
    await session.execute(update(ApprovalRow).where(*open_questions).values(status="cancelled", resolved_at=event.at))
    await session.flush()


async def _answer(session: WriteSession, run: RunRow, event: RunCompleted) -> MessageRow:
    content = await read_answer(session, run.id)
    asked = select(MessageRow.digest, MessageRow.standing_id).where(MessageRow.id == run.input_id)
    digest, standing_id = (await session.execute(asked)).one()
    return MessageRow(
        id=event.message_id,
        conversation_id=run.conversation_id,
        parent_id=run.input_id,
        standing_id=standing_id,
        floating=False,
        role="assistant",
        content=content,
        attachments=[],
        run_id=run.id,
        digest=next_digest(digest, "assistant", content) if digest else None,
        tools_read=sorted(await read_by(session, run)),
        created_at=event.at,
    )
