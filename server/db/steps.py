"""Steps as the log tells of them, each with its tool calls; one that a fork kept, with those of the step it was."""

from sqlalchemy import or_, select

from server.db.sessions import ReadSession
from server.db.tables import RunRow, StepRow, ToolCallRow
from server.resources.runs import Step, ToolCall


async def read_steps(session: ReadSession, run_id: str) -> list[Step]:
    """Returns a run's steps in the order they began."""
    given = await session.scalar(select(RunRow.head_start).where(RunRow.id == run_id))
    made_as = {step.id: step.made_as for step in given.done} if given else {}
    calls: dict[str | None, list[ToolCall]] = {}
    of_run = select(ToolCallRow).where(or_(ToolCallRow.run_id == run_id, ToolCallRow.step_id.in_(made_as.values())))
    for row in await session.scalars(of_run.order_by(ToolCallRow.started_at, ToolCallRow.id)):
        calls.setdefault(row.step_id, []).append(call_resource(row))
    steps = select(StepRow).where(StepRow.run_id == run_id).order_by(StepRow.first_seq)
    return [_step(row, calls.get(made_as.get(row.id, row.id), [])) for row in await session.scalars(steps)]


def _step(row: StepRow, calls: list[ToolCall]) -> Step:
    return Step(
        id=row.id,
        kind=row.kind,
        agent=row.agent,
        task=row.task,
        depends_on=row.depends_on,
        status=row.status,
        output=row.output,
        error=row.error,
        usage=row.usage,
        usage_estimated=row.usage_estimated,
        tool_calls=calls,
    )


def call_resource(row: ToolCallRow) -> ToolCall:
    return ToolCall(
        id=row.id,
        tool=row.tool,
        arguments=row.arguments,
        status=row.status,
        result=row.result,
        error=row.error,
        artifact_id=row.artifact_id,
    )
