"""Questions of tool servers, which a person answers while the call waits. They are rows of the approvals, of their own
kind: whether the call itself may be made is another question."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from config.redaction import Redactor
from graph.events import ApprovalRequested
from mcp_config.tools import ELICITATION, JsonObject, ToolCall
from server.db.database import Database
from server.db.events import EventLog
from server.db.sessions import WriteSession
from server.db.tables import ApprovalRow, RunRow, ToolCallRow


class Questions:
    def __init__(self, database: Database, events: EventLog, patience: timedelta, redactor: Redactor) -> None:
        self._database, self._events, self._patience, self._redactor = database, events, patience, redactor

    async def put(self, approval_id: str, call: ToolCall, asked: JsonObject) -> bool:
        """Puts what the call's server asks; returns whether it is open now: a run that has ended asks nobody.

        The log of the call's run says so in the same transaction. Who reads it up to where it waits stops there.
        """
        row = self._row(approval_id, call, asked)
        run_id = call.caller.run_id

        async def work(session: WriteSession) -> bool:
            if await session.get(ApprovalRow, approval_id):  # by a try of which nobody heard that it was committed
                return True
            if run_id is not None:
                return await self._put_in_run(session, run_id, approval_id, call, asked)
            session.add(row())
            return True

        return await self._database.write(work)

    async def includes(self, approval_id: str) -> bool:
        """Returns whether it is a server that asks, and not whether its call may be made."""
        kind = select(ApprovalRow.kind).where(ApprovalRow.id == approval_id)
        async with self._database.read() as session:
            return await session.scalar(kind) == "question"

    async def find_open(self) -> list[tuple[str, str]]:
        """Returns owner and id of all that are open."""
        rows = select(ApprovalRow.owner, ApprovalRow.id).where(
            ApprovalRow.status == "pending", ApprovalRow.kind == "question"
        )
        async with self._database.read() as session:
            return [(owner, approval_id) for owner, approval_id in await session.execute(rows)]

    async def _put_in_run(
        self, session: WriteSession, run_id: str, approval_id: str, call: ToolCall, asked: JsonObject
    ) -> bool:
        run = await session.get(RunRow, run_id, with_for_update=True, populate_existing=True)
        if run is None or run.status != "running":
            return False
        step_id = await session.scalar(select(ToolCallRow.step_id).where(ToolCallRow.id == call.id))
        event = ApprovalRequested(
            run_id=run_id,
            step_id=step_id or "",
            call_id=call.id,
            approval_id=approval_id,
            tool=call.tool,
            arguments=asked,
            rule=ELICITATION,
        )
        await self._events.note(session, run, event)
        self._events.pause(session, run_id)
        return True

    def _row(self, approval_id: str, call: ToolCall, asked: JsonObject) -> Callable[[], ApprovalRow]:
        def build() -> ApprovalRow:
            now = datetime.now(UTC)
            return ApprovalRow(
                id=approval_id,
                kind="question",
                owner=call.caller.owner,
                call_id=call.id,
                agent=call.caller.agent,
                role=call.caller.role,
                tool=call.tool,
                arguments=self._redactor.value(asked),
                rule=ELICITATION,
                status="pending",
                created_at=now,
                expires_at=now + self._patience,
            )

        return build
