"""The tool policies that were set over the API: every version is kept, the newest rules."""

from datetime import UTC, datetime

from sqlalchemy import func, select

from config.policies import ToolPolicies
from mcp_config.audit import AuditEntry
from server.db.audit import build_audit_row
from server.db.database import Database
from server.db.guard_tables import PolicyVersionRow
from server.db.paging import rows_of_page
from server.db.sessions import ReadSession, WriteSession
from server.errors import Conflict
from server.keys import Principal
from server.resources.pages import Page, PageQuery
from server.resources.policies import PolicySet


class PolicyVersions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> int:
        """Returns the number of the version that rules; 0 while none was set."""
        async with self._database.read() as session:
            return await _newest(session)

    async def find_newest(self) -> PolicySet | None:
        """Returns the policies that rule; None while none were set, so that the file's rule."""
        async with self._database.read() as session:
            row = await session.get(PolicyVersionRow, await _newest(session))
            return _resource(row) if row else None

    async def add(self, policies: ToolPolicies, by: Principal, based_on: int | None) -> PolicySet:
        """Makes the next version, with its entry in the audit. `based_on` is the version that was looked at.

        Raises:
            Conflict: another version rules by now.
        """

        async def work(session: WriteSession) -> PolicySet:
            newest = await _newest(session)
            if based_on not in (None, newest):
                raise Conflict(
                    "policy_changed",
                    f"Version {newest} of the policies rules by now, not {based_on}: look at it, and set yours anew.",
                )
            row = PolicyVersionRow(
                version=newest + 1, policies=policies, changed_by=by.name, created_at=datetime.now(UTC)
            )
            session.add(row)
            entry = AuditEntry(by.name, by.role, "policy.replace", f"version {newest + 1}", "ok")
            session.add(build_audit_row(entry))
            return _resource(row)

        return await self._database.write(work)

    async def page(self, query: PageQuery) -> Page[PolicySet]:
        """Returns versions; a cursor is the number of one."""
        rows = select(PolicyVersionRow)
        async with self._database.read() as session:
            found, has_more = await rows_of_page(session, rows, PolicyVersionRow.version, query)
        shown = [_resource(row) for row in found]
        return Page.of(shown, [str(each.version) for each in shown], has_more=has_more)


async def _newest(session: ReadSession) -> int:
    return await session.scalar(select(func.max(PolicyVersionRow.version))) or 0


def _resource(row: PolicyVersionRow) -> PolicySet:
    return PolicySet(
        version=row.version,
        source="api",
        policies=row.policies,
        changed_by=row.changed_by,
        created_at=row.created_at,
    )
