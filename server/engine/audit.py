"""The audit of tool calls. While the database is away a run waits, as it does with its log; a request is refused."""

from mcp_config.audit import AuditEntry
from server.db.audit import AuditTrail
from server.engine.carrier import patiently
from server.keys import Principal
from server.resources.approvals import Approval


class CallAudit:
    """Satisfies `mcp_config.audit.Audit`."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def record(self, entry: AuditEntry) -> None:
        """Raises: Unavailable, for what a request waits for."""
        if entry.run_id is None and entry.action != "tool.quarantine":
            await self._trail.record(entry)
        else:
            await patiently(self._trail.record, entry)


def build_resolution(principal: Principal, approval: Approval) -> AuditEntry:
    return AuditEntry(
        principal=principal.name,
        role=principal.role,
        action="approval.resolve",
        target=approval.id,
        outcome=approval.status,
        agent=approval.agent,
        rule=approval.rule,
        run_id=approval.run_id,
        detail={"tool": approval.tool, "call_id": approval.call_id, "by": approval.resolved_by},
    )
