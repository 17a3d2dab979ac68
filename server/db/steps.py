"""Steps as the log tells of them, each with its tool calls."""

from sqlalchemy import select

from server.db.sessions import ReadSession
from server.db.tables import StepRow, ToolCallRow
from server.resources.runs import Step, ToolCall


async def read_steps(session: ReadSession, run_id: str) -> list[Step]:
    """Returns a run's steps in the order they began."""
    calls: dict[str | None, list[ToolCall]] = {}
    of_run = select(ToolCallRow).where(ToolCallRow.run_id == run_id)
    for row in await session.scalars(of_run.order_by(ToolCallRow.started_at, ToolCallRow.id)):
        calls.setdefault(row.step_id, []).append(call_resource(row))
    steps = select(StepRow).where(StepRow.run_id == run_id).order_by(StepRow.first_seq)
    return [_step(row, calls.get(row.id, [])) for row in await session.scalars(steps)]


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
