"""Definitions of tools that nobody has approved, and approving them. Serves the whole product and the gateway alone."""

from dataclasses import asdict
from typing import Final

from mcp_config.definitions.quarantine import Change, ChangedAgain, NoChange
from server.auth import Admin
from server.errors import Conflict, NotFound, Unavailable
from server.resources.pages import Page
from server.resources.tools import ToolChange
from server.routes.bodies import ToolApprovalBody
from server.routes.dependencies import ToolName, WantedNames, build_router, problems
from server.routes.mcp_servers import House, TheHouse
from server.routes.paging import build_page

router: Final = build_router("/v1/tools", "tools")


@router.get("/changes", operation_id="list_tool_changes", responses=problems(403))
async def list_tool_changes(app: TheHouse, admin: Admin, page: WantedNames) -> Page[ToolChange]:
    """Lists the definitions that nobody has approved: new ones, and changed ones, whose tools are put aside."""
    changes = [_change(app, change) for change in app.tools.quarantine.changes()]
    return build_page(changes, lambda change: change.tool, page)


@router.post("/{name}/approve", operation_id="approve_tool", responses=problems(400, 403, 404, 409, 413, 415))
async def approve_tool(app: TheHouse, admin: Admin, name: ToolName, wanted: ToolApprovalBody) -> ToolChange:
    """Approves the tool's definition as it is now; from the next call on it is offered, and any other is put aside.

    Give the `sha256` of what you looked at: if the server says something else by now, nothing is approved.
    """
    try:
        change = await app.tools.quarantine.approve(name, wanted.sha256, admin.name, admin.role)
    except NoChange as error:
        raise NotFound("no_tool_change", f"Nothing about {name} waits to be approved.") from error
    except ChangedAgain as error:
        raise Conflict("tool_changed_again", f"{name} has changed again; look at GET /v1/tools/changes.") from error
    except OSError as error:
        raise Unavailable("lock_not_written", f"The approval cannot be kept: {error.strerror}. Try later.") from error
    return _change(app, change)


def _change(app: House, change: Change) -> ToolChange:
    return ToolChange.model_validate(app.redactor.value(asdict(change)))
