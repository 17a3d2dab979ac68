"""The audit, for admins: who did what, by which rule, with what outcome."""

from typing import Annotated, Final

from fastapi import Query

from server.auth import Admin
from server.resources.audit import AuditQuery, AuditRecord
from server.resources.pages import Page
from server.routes.dependencies import App, build_router, problems

router: Final = build_router("/v1/audit", "audit")


@router.get("", operation_id="list_audit", responses=problems(403))
async def list_audit(app: App, admin: Admin, wanted: Annotated[AuditQuery, Query()]) -> Page[AuditRecord]:
    """Lists what was done, newest first: tool calls (also those denied), changes of agents and policies, approvals."""
    return await app.store.audit.page(wanted)
