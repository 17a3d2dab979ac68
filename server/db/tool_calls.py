"""The ledger's rows. A run's calls are written by the event log; calls without a run are written here."""

from datetime import UTC, datetime

from sqlalchemy import select, update

from config.redaction import Redactor
from graph.events import Failure
from mcp_config.tools import ToolCall, ToolResult
from server.db.database import Database
from server.db.once import Once
from server.db.reading import read_by, used_by
from server.db.sessions import WriteSession
from server.db.steps import call_resource
from server.db.tables import RunRow, ToolCallRow
from server.errors import NotFound
from server.resources import runs


class ToolCalls:
    """Satisfies `mcp_config.tools.Ledger`."""

    def __init__(self, database: Database, redactor: Redactor) -> None:
        self._database, self._redactor = database, redactor

    async def started(self, call: ToolCall) -> None:
        """Writes down that a call is about to be dispatched; returns once that is durable."""
        row = ToolCallRow(
            id=call.id,
            owner=call.caller.owner,
            run_id=call.caller.run_id,
            tool=call.tool,
            arguments=self._redactor.value(call.arguments),
            status="running",
            started_at=datetime.now(UTC),
        )
        once = Once()

        async def work(session: WriteSession) -> None:
            session.add(row)
            await once.note(session, row.id)

        await self._database.write(work)

    async def ended(self, call: ToolCall, result: ToolResult) -> None:
        """Writes down how a call ended; a call that ended before stays as it is."""
        outcome = self._outcome(result, datetime.now(UTC))
        guard = (ToolCallRow.id == call.id, ToolCallRow.status == "running")

        async def work(session: WriteSession) -> None:
            await session.execute(update(ToolCallRow).where(*guard).values(outcome))

        await self._database.write(work)

    async def settle(self, call: ToolCall, result: ToolResult) -> None:
        """Writes down how a call ended that was stopped before it began; one that began has said so itself."""
        now = datetime.now(UTC)
        row = ToolCallRow(
            id=call.id,
            owner=call.caller.owner,
            tool=call.tool,
            arguments=self._redactor.value(call.arguments),
            started_at=now,
            **self._outcome(result, now),
        )

        async def work(session: WriteSession) -> None:
            if await session.get(ToolCallRow, call.id) is None:
                session.add(row)

        await self._database.write(work)

    async def get(self, owner: str, call_id: str) -> runs.ToolCall:
        """Raises: NotFound."""
        async with self._database.read() as session:
            row = await session.get(ToolCallRow, call_id)
            if row is None or row.owner != owner:
                raise NotFound("call_not_found", f"There is no tool call {call_id}.")
            return call_resource(row)

    async def give_up_lost(self) -> None:
        """Ends as `unknown` the calls without a run that a process had begun when it died. A run's are its engine's."""
        lost = Failure(code="outcome_lost", detail="The server went down while the call was under way.")
        outcome = {"status": "unknown", "error": lost, "ended_at": datetime.now(UTC)}
        begun = (ToolCallRow.run_id.is_(None), ToolCallRow.status == "running")

        async def work(session: WriteSession) -> None:
            await session.execute(update(ToolCallRow).where(*begun).values(outcome))

        await self._database.write(work)

    async def tools_used(self, run_id: str) -> frozenset[str]:
        """Returns the tools whose results the run itself has read."""
        async with self._database.read() as session:
            return await used_by(session, [run_id])

    async def tools_read(self, run_id: str) -> frozenset[str]:
        """Returns those, and the tools whose results stand in what the run was given: earlier answers, a head start."""
        async with self._database.read() as session:
            return await read_by(session, await session.get_one(RunRow, run_id))

    async def outcomes(self, run_id: str) -> dict[str, ToolResult | None]:
        """Returns how the calls of a run ended, by id; None for one that was started and never ended."""
        async with self._database.read() as session:
            rows = await session.scalars(select(ToolCallRow).where(ToolCallRow.run_id == run_id))
            return {row.id: _result(row) for row in rows}

    def _outcome(self, result: ToolResult, ended_at: datetime) -> dict[str, object]:
        """Returns the columns that say how a call ended."""
        content = self._redactor.text(result.content)
        return {
            "status": result.status,
            "result": content,
            "error": Failure(code=result.error_code, detail=content) if result.error_code else None,
            "artifact_id": result.artifact_id,
            "ended_at": ended_at,
        }


def _result(row: ToolCallRow) -> ToolResult | None:
    if row.status == "running":
        return None
    said = row.result if row.result is not None else row.error.detail if row.error else ""
    return ToolResult(row.status, said, error_code=row.error.code if row.error else None, artifact_id=row.artifact_id)
