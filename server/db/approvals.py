"""Questions to people, and their answers. Whoever answers, the row, its event and the run's status change together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from sqlalchemy import exists, select

from config.ids import derive_id
from config.redaction import Redactor
from graph.events import ApprovalResolved
from mcp_config.tools import Answer, Caller, JsonObject, ToolCall
from server.db.database import Database
from server.db.events import EventLog
from server.db.kept_arguments import KeptArguments
from server.db.once import Once
from server.db.paging import page_of
from server.db.sessions import ReadSession, WriteSession
from server.db.steps import call_resource
from server.db.tables import ApprovalRow, RunRow, ToolCallRow
from server.errors import Conflict, NotFound, Unavailable
from server.resources.approvals import Approval, ApprovalStatus
from server.resources.pages import Page, PageQuery
from server.resources.runs import ToolCall as MadeCall

_STATUSES: Final[dict[str, ApprovalStatus]] = {
    "approve": "approved",
    "edit": "edited",
    "reject": "rejected",
    "expire": "expired",
}
EXPIRY: Final = "open-agent"
"""Who resolves what nobody has answered in time."""
_UNREADABLE: Final = (
    "What it is to be made with was sealed with a credentials.key that is gone: reject it, and ask anew."
)


@dataclass(frozen=True)
class Settled:
    """An answer that is durable, and what has to happen now."""

    approval: Approval
    ready: str | None
    """The run that waits for nothing more and is queued again."""


class Approvals:
    def __init__(
        self, database: Database, events: EventLog, patience: timedelta, redactor: Redactor, kept: KeptArguments
    ) -> None:
        """What is to be called is `kept` as it was meant, and shown by `redactor`."""
        self._database, self._events, self._patience = database, events, patience
        self._redactor, self._kept = redactor, kept

    async def ask(self, call: ToolCall, rule: str) -> Approval:
        """Puts the question whether a call that no run makes may be made."""
        now = datetime.now(UTC)
        row = ApprovalRow(
            id=derive_id("appr", call.id, call.id),
            kind="call",
            owner=call.caller.owner,
            call_id=call.id,
            agent=call.caller.agent,
            role=call.caller.role,
            tool=call.tool,
            arguments=self._kept.close(call.arguments),
            rule=rule,
            status="pending",
            created_at=now,
            expires_at=now + self._patience,
        )

        once = Once()

        async def work(session: WriteSession) -> Approval:
            session.add(row)
            await session.flush()
            await once.note(session, row.id)
            return self._shown(row)

        return await self._database.write(work)

    async def get(self, owner: str, approval_id: str) -> Approval:
        """Raises: NotFound."""
        async with self._database.read() as session:
            return await self._read(session, await _get(session, owner, approval_id))

    async def find_call(self, owner: str, approval_id: str, *, to_make: bool) -> ToolCall:
        """Returns the call that is asked about, as it was made.

        Raises:
            NotFound: it is not there, or another owner's.
            Unavailable: it is to be made, and what with cannot be read any more.
        """
        async with self._database.read() as session:
            row = await _get(session, owner, approval_id)
        arguments = self._kept.find(row.arguments)
        if arguments is None and to_make:
            raise Unavailable("credentials_unreadable", _UNREADABLE)
        return _call(row, arguments or {})

    async def page(
        self, owner: str, query: PageQuery, status: ApprovalStatus | None = None, run_id: str | None = None
    ) -> Page[Approval]:
        rows = select(ApprovalRow).where(ApprovalRow.owner == owner)
        rows = rows.where(ApprovalRow.status == status) if status else rows
        rows = rows.where(ApprovalRow.run_id == run_id) if run_id else rows
        async with self._database.read() as session:
            page = await page_of(session, rows, ApprovalRow.id, query, self._shown)
            made = await _calls_made(session, [approval.call_id for approval in page.data])
        data = [approval.model_copy(update={"tool_call": made.get(approval.call_id)}) for approval in page.data]
        return page.model_copy(update={"data": data})

    async def answers(self, run_id: str) -> dict[str, Answer | None]:
        """Returns what was said about a run's calls, by call id; None where nobody has answered."""
        async with self._database.read() as session:
            about_calls = (ApprovalRow.run_id == run_id, ApprovalRow.kind == "call")
            rows = await session.scalars(select(ApprovalRow).where(*about_calls))
            return {row.call_id: self._answer(row) for row in rows}

    async def resolve(self, owner: str, approval_id: str, answer: Answer, by: str) -> Settled:
        """Writes the answer down: once, and only while the question is open.

        Raises:
            NotFound: it is not there, or another owner's.
            Conflict: it was answered before, has expired, or its run has ended.
        """

        once = Once()

        async def work(session: WriteSession) -> Settled:
            run_id = (await _get(session, owner, approval_id)).run_id
            run = await _hold_run(session, run_id) if run_id else None
            row = await session.get_one(ApprovalRow, approval_id, with_for_update=True, populate_existing=True)
            _check_open(row, answer)
            row.status, row.resolved_by, row.resolved_at = _STATUSES[answer.decision], by, datetime.now(UTC)
            # a server has its answer at once, so nothing needs it as it was
            given = self._redactor.value(answer.arguments) if row.kind == "question" else answer.arguments
            row.edited = None if answer.arguments is None else self._kept.close(cast(JsonObject, given))
            row.reason = self._redactor.text(answer.reason) or None
            await session.flush()
            ready = await self._settle(session, run, row, answer) if run else False
            await once.note(session, approval_id)
            return Settled(await self._read(session, row), run.id if run and ready else None)

        return await self._database.write(work)

    async def suspend(self, run_id: str, attempt: int) -> None:
        """Has a run that stopped at its questions wait for the answers; if they came meanwhile, it is queued again.

        Done again, when nobody can say whether it was done, it still tells the readers.
        """

        async def work(session: WriteSession) -> None:
            run = await _hold_run(session, run_id)
            if run is None or run.attempt != attempt:
                return
            if run.status == "running":
                waits = await _has_open(session, run_id) and not run.cancel_requested
                run.status = "requires_action" if waits else "queued"
            self._events.pause(session, run_id)

        await self._database.write(work)

    async def waiting(self, conversation_id: str | None = None) -> list[str]:
        """Returns the ids of runs that wait for a person: of one conversation, or all."""
        rows = select(RunRow.id).where(RunRow.status == "requires_action")
        rows = rows.where(RunRow.conversation_id == conversation_id) if conversation_id else rows
        async with self._database.read() as session:
            return list(await session.scalars(rows))

    async def pending(self) -> list[tuple[str, str, str]]:
        """Returns owner, id and run of the open questions that runs have put."""
        rows = select(ApprovalRow.owner, ApprovalRow.id, ApprovalRow.run_id).where(
            ApprovalRow.status == "pending", ApprovalRow.kind == "call", ApprovalRow.run_id.is_not(None)
        )
        async with self._database.read() as session:
            return [(owner, approval_id, run_id or "") for owner, approval_id, run_id in await session.execute(rows)]

    async def overdue(self) -> list[tuple[str, str]]:
        """Returns owner and id of the questions that nobody has answered in time."""
        rows = select(ApprovalRow.owner, ApprovalRow.id).where(
            ApprovalRow.status == "pending", ApprovalRow.expires_at <= datetime.now(UTC)
        )
        async with self._database.read() as session:
            return [(owner, approval_id) for owner, approval_id in await session.execute(rows)]

    async def unmade(self) -> list[tuple[ToolCall, Answer]]:
        """Returns the calls by hand that somebody allowed and that were never begun: the process ended before."""
        begun = exists().where(ToolCallRow.id == ApprovalRow.call_id)
        allowed = ApprovalRow.status.in_(("approved", "edited"))
        by_hand = (ApprovalRow.run_id.is_(None), ApprovalRow.kind == "call")
        rows = select(ApprovalRow).where(*by_hand, allowed, ~begun).order_by(ApprovalRow.id)
        async with self._database.read() as session:
            found = [(row, self._kept.find(row.arguments), self._answer(row)) for row in await session.scalars(rows)]
        return [(_call(row, arguments), answer) for row, arguments, answer in found if answer and arguments is not None]

    def _answer(self, row: ApprovalRow) -> Answer | None:
        reason = row.reason or ""
        match row.status:
            case "pending":
                return None
            case "approved":
                return Answer("approve", reason=reason)
            case "edited":
                edited = self._kept.find(row.edited or {})
                return Answer("expire") if edited is None else Answer("edit", edited, reason)
            case "rejected":
                return Answer("reject", reason=reason)
            case "expired" | "cancelled":
                return Answer("expire")

    async def _read(self, session: ReadSession, row: ApprovalRow) -> Approval:
        return self._shown(row, (await _calls_made(session, [row.call_id])).get(row.call_id))

    def _shown(self, row: ApprovalRow, made: MadeCall | None = None) -> Approval:
        edited = None if row.edited is None else self._kept.find(row.edited)
        arguments = self._kept.find(row.arguments) or {}
        shown = self._redactor.value({"arguments": arguments, "edited": edited, "reason": row.reason})
        return _resource(row, made).model_copy(update=cast(JsonObject, shown))

    async def _settle(self, session: WriteSession, run: RunRow, row: ApprovalRow, answer: Answer) -> bool:
        """Tells the run's log, and returns whether the run is now queued again."""
        event = ApprovalResolved(
            run_id=run.id, approval_id=row.id, decision=answer.decision, by=row.resolved_by or EXPIRY
        )
        await self._events.note(session, run, event)
        if row.kind == "question" or run.status != "requires_action" or await _has_open(session, run.id):
            return False
        run.status = "queued"
        await session.flush()
        return True


async def _get(session: ReadSession, owner: str, approval_id: str) -> ApprovalRow:
    row = await session.get(ApprovalRow, approval_id)
    if row is None or row.owner != owner:
        raise NotFound("approval_not_found", f"There is no approval {approval_id}.")
    return row


async def _hold_run(session: WriteSession, run_id: str) -> RunRow | None:
    """Locks the run first, always: whoever ends a run locks it before its approvals."""
    return await session.get(RunRow, run_id, with_for_update=True, populate_existing=True)


def _check_open(row: ApprovalRow, answer: Answer) -> None:
    if row.status == "pending":
        if answer.decision != "expire" and row.expires_at <= datetime.now(UTC):
            raise Conflict("approval_expired", "Nobody answered in time; the call is not made.")
        return
    asked = row.kind == "question"
    match row.status:
        case "expired" if asked:
            raise Conflict("approval_expired", row.reason or "Nobody answered in time; the server was told so.")
        case "expired":
            raise Conflict("approval_expired", "Nobody answered in time; the call was not made.")
        case "cancelled":
            ended = "its server waits no more" if asked else "its call is not made any more"
            raise Conflict("approval_cancelled", f"The run has ended; {ended}.")
        case _:
            raise Conflict("approval_resolved", f"It was {row.status} before, by {row.resolved_by}.")


async def _has_open(session: WriteSession, run_id: str) -> bool:
    pending = (ApprovalRow.run_id == run_id, ApprovalRow.kind == "call", ApprovalRow.status == "pending")
    return bool(await session.scalar(select(exists().where(*pending))))


async def _calls_made(session: ReadSession, call_ids: Sequence[str]) -> dict[str, MadeCall]:
    rows = await session.scalars(select(ToolCallRow).where(ToolCallRow.id.in_(call_ids)))
    return {row.id: call_resource(row) for row in rows}


def _call(row: ApprovalRow, arguments: JsonObject) -> ToolCall:
    return ToolCall(row.call_id, row.tool, arguments, Caller(row.owner, row.agent, row.run_id, row.role))


def _resource(row: ApprovalRow, made: MadeCall | None) -> Approval:
    return Approval(
        id=row.id,
        kind=row.kind,
        run_id=row.run_id,
        step_id=row.step_id,
        call_id=row.call_id,
        agent=row.agent,
        tool=row.tool,
        arguments=row.arguments,
        edited=row.edited,
        rule=row.rule,
        status=row.status,
        reason=row.reason,
        resolved_by=row.resolved_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        resolved_at=row.resolved_at,
        tool_call=made,
    )
