"""The audit's rows. They are added and read; nothing here changes or removes one."""

from dataclasses import asdict, replace
from datetime import UTC, datetime

import structlog
from sqlalchemy import select

from config.ids import new_id
from config.redaction import Redactor
from mcp_config.audit import AuditEntry
from server.db.database import Database
from server.db.guard_tables import AuditRow
from server.db.paging import page_of
from server.db.sessions import WriteSession
from server.resources.audit import AuditQuery, AuditRecord
from server.resources.pages import Page


class AuditTrail:
    """Satisfies `mcp_config.audit.Audit`."""

    def __init__(self, database: Database, redactor: Redactor) -> None:
        self._database, self._redactor = database, redactor

    async def record(self, entry: AuditEntry) -> None:
        """Returns once the entry is durable.

        Raises:
            Unavailable: the database cannot take it.
        """
        # a model may name a tool, and thereby a target, as it likes
        row = build_audit_row(replace(entry, target=self._redactor.text(entry.target)))

        async def work(session: WriteSession) -> None:
            session.add(row)

        await self._database.write(work)

    async def page(self, query: AuditQuery) -> Page[AuditRecord]:
        rows = select(AuditRow)
        for column, wanted in (
            (AuditRow.principal, query.principal),
            (AuditRow.action, query.action),
            (AuditRow.agent, query.agent),
            (AuditRow.run_id, query.run_id),
            (AuditRow.outcome, query.outcome),
        ):
            rows = rows if wanted is None else rows.where(column == wanted)
        if query.tool is not None:
            rows = rows.where(AuditRow.target == query.tool, AuditRow.action.startswith("tool."))
        if query.since is not None:
            rows = rows.where(AuditRow.at >= query.since)
        if query.until is not None:
            rows = rows.where(AuditRow.at < query.until)
        async with self._database.read() as session:
            return await page_of(session, rows, AuditRow.id, query, _resource)


def build_audit_row(entry: AuditEntry) -> AuditRow:
    """Returns the entry's row, for whoever writes it in the transaction of what it tells of."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return AuditRow(id=new_id("aud"), at=datetime.now(UTC), request_id=request_id, **asdict(entry))


def _resource(row: AuditRow) -> AuditRecord:
    return AuditRecord.model_validate(row, from_attributes=True)
