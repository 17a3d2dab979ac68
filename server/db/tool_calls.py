"""The ledger's rows. A run's calls are written by the event log; calls without a run are written here."""

from datetime import UTC, datetime

from sqlalchemy import select, update

from graph.events import Failure
from mcp_config.tools import ToolCall, ToolResult
from server.db.database import Database
from server.db.sessions import WriteSession
from server.db.tables import ToolCallRow


class ToolCalls:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, call: ToolCall) -> None:
        """Writes down that a call is about to be dispatched; returns once that is durable."""
        row = ToolCallRow(
            id=call.id,
            owner=call.caller.owner,
            run_id=call.caller.run_id,
            tool=call.tool,
            arguments=call.arguments,
            status="running",
            started_at=datetime.now(UTC),
        )

        async def work(session: WriteSession) -> None:
            session.add(row)

        await self._database.write(work)

    async def end(self, call: ToolCall, result: ToolResult) -> None:
        """Writes down how a call ended; a call that ended before stays as it is."""
        failed = Failure(code=result.error_code, detail=result.content) if result.error_code else None
        outcome = {
            "status": result.status,
            "result": result.content,
            "error": failed,
            "artifact_id": result.artifact_id,
            "ended_at": datetime.now(UTC),
        }
        guard = (ToolCallRow.id == call.id, ToolCallRow.status == "running")

        async def work(session: WriteSession) -> None:
            await session.execute(update(ToolCallRow).where(*guard).values(outcome))

        await self._database.write(work)

    async def outcomes(self, run_id: str) -> dict[str, ToolResult | None]:
        """Returns how the calls of a run ended, by id; None for one that was started and never ended."""
        async with self._database.read() as session:
            rows = await session.scalars(select(ToolCallRow).where(ToolCallRow.run_id == run_id))
            return {row.id: _outcome(row) for row in rows}


def _outcome(row: ToolCallRow) -> ToolResult | None:
    if row.status == "running":
        return None
    said = row.result if row.result is not None else row.error.detail if row.error else ""
    return ToolResult(row.status, said, error_code=row.error.code if row.error else None, artifact_id=row.artifact_id)
