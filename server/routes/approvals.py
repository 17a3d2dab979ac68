"""Approvals: what policy leaves to a person. Listed, read, answered once; each belongs to the owner of its call."""

from typing import Annotated, Final

from fastapi import Query

from server.auth import Caller
from server.db.once import find_made
from server.resources.approvals import Approval, ApprovalStatus
from server.resources.pages import Page, PageQuery
from server.routes.bodies import ResolutionBody
from server.routes.dependencies import RUN_ID, App, ApprovalId, build_router, problems

router: Final = build_router("/v1/approvals", "approvals")


class ApprovalsQuery(PageQuery):
    """A page of approvals: all, those of a status, those of a run."""

    status: ApprovalStatus | None = None
    run_id: Annotated[str | None, Query(pattern=RUN_ID)] = None


@router.get("", operation_id="list_approvals")
async def list_approvals(app: App, caller: Caller, page: Annotated[ApprovalsQuery, Query()]) -> Page[Approval]:
    """Lists the caller's approvals, the newest first; `status=pending` are those that wait."""
    return await app.store.approvals.page(caller.name, page, page.status, page.run_id)


@router.get("/{approval_id}", operation_id="get_approval", responses=problems(404))
async def get_approval(app: App, caller: Caller, approval_id: ApprovalId) -> Approval:
    """Shows the question, its answer and, once the call was made, what came of it."""
    return await app.store.approvals.get(caller.name, approval_id)


@router.post("/{approval_id}", operation_id="resolve_approval", responses=problems(400, 403, 404, 409, 413, 415))
async def resolve_approval(app: App, caller: Caller, approval_id: ApprovalId, said: ResolutionBody) -> Approval:
    """Approves the call, approves it with other arguments, or rejects it: once, and only while it waits.

    A run goes on as soon as none of its approvals waits any more. A call by hand is made now; read its outcome here.
    """
    if made := find_made():  # by this very request, which came before
        return await app.store.approvals.get(caller.name, made)
    return await app.approving.resolve(caller, approval_id, said)
