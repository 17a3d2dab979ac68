"""Tools: what the MCP servers offer now, a call by hand down the same governed path, and what would become of one."""

from dataclasses import asdict
from typing import Final, cast

from fastapi import Response

from config.ids import new_id
from graph.events import Failure
from mcp_config import tools
from mcp_config.definitions.quarantine import CHANGED
from mcp_config.inventory import UnknownTool
from server.application import Application
from server.auth import Caller
from server.db.once import find_made
from server.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, TooMany, Unavailable
from server.keys import Principal
from server.rate_headers import build_rate_headers, wait_of
from server.resources.approvals import Approval
from server.resources.pages import Page
from server.resources.runs import ToolCall
from server.resources.tools import Check, PassedOverRule, RateLeft, Tool
from server.routes.bodies import InvocationBody, Question, QuestionBody
from server.routes.dependencies import App, ToolName, WantedNames, build_router, problems
from server.routes.paging import build_page

router: Final = build_router("/v1/tools", "tools")

_REFUSALS: Final[dict[str, type[ApiError]]] = {
    "unknown_tool": NotFound,
    "invalid_arguments": Invalid,
    "denied_by_policy": Forbidden,
    "server_unavailable": Unavailable,
    "tool_definition_changed": Conflict,
    "rate_limited": TooMany,
}
"""Calls that never reached their server. What a tool itself does wrong is a result, not a problem."""


@router.get("", operation_id="list_tools")
async def list_tools(app: App, caller: Caller, page: WantedNames) -> Page[Tool]:
    """Lists the tools of the servers that are up, by name."""
    return build_page([_resource(spec) for spec in app.tools.all()], lambda tool: tool.name, page)


@router.get("/{name}", operation_id="get_tool", responses=problems(404))
async def get_tool(app: App, caller: Caller, name: ToolName) -> Tool:
    try:
        return _resource(app.tools.get(name))
    except UnknownTool as error:
        raise _no_tool(name) from error


@router.post(
    "/{name}/invoke",
    operation_id="invoke_tool",
    response_model=ToolCall,
    responses={
        202: {"model": Approval, "description": "The call waits for a person, at `Location`; approving it makes it."},
        **problems(400, 403, 404, 409, 413, 415, 429),
    },
)
async def invoke_tool(
    app: App, caller: Caller, name: ToolName, invocation: InvocationBody, response: Response
) -> ToolCall | Response:
    """Calls the tool as an agent would: schema, policy, approval, rates, ledger, deadline. Who may do so is the
    policies' to say.

    A call that is refused on the way is a problem; one that reached its server answers 200, and `status` tells. One
    that policy leaves to a person answers 202, and so does one whose server asks a person something while it works.
    """
    if made := find_made():  # this very request came before, and its call must not come twice
        return await _tell_again(app, caller, made)
    by = tools.Caller(owner=caller.name, role=caller.role)
    call = tools.ToolCall(id=new_id("call"), tool=name, arguments=invocation.arguments, caller=by)
    result = await app.approving.invoke(call)
    if isinstance(result, Approval):
        return _waiting(result)
    _check_made(result)
    response.headers.update(build_rate_headers(result.allowances))
    return _outcome(app, call, result)


def _check_made(result: tools.ToolResult) -> None:
    """Raises an `ApiError` for a call that was refused on the way to its server."""
    if refusal := _REFUSALS.get(result.error_code or ""):
        raise refusal(
            result.error_code or "",
            result.content,
            pointer="/arguments" if refusal is Invalid else None,
            retry_after=wait_of(result.allowances) if refusal is TooMany else None,
            headers=build_rate_headers(result.allowances),
        )


def _outcome(app: Application, call: tools.ToolCall, result: tools.ToolResult) -> ToolCall:
    return ToolCall(
        id=call.id,
        tool=call.tool,
        arguments=cast(tools.JsonObject, app.redactor.value(call.arguments)),
        status=result.status,
        result=result.content,
        error=Failure(code=result.error_code, detail=result.content) if result.error_code else None,
        artifact_id=result.artifact_id,
    )


async def _tell_again(app: Application, caller: Principal, made: str) -> ToolCall | Response:
    if made.startswith("appr_"):
        return _waiting(await app.store.approvals.get(caller.name, made))
    return await app.store.tool_calls.get(caller.name, made)


def _waiting(approval: Approval) -> Response:
    located = {"Location": f"/v1/approvals/{approval.id}"}
    return Response(approval.model_dump_json(), 202, located, media_type="application/json")


@router.post("/{name}/check", operation_id="check_tool", responses=problems(400, 403, 404, 409, 413, 415))
async def check_tool(app: App, caller: Caller, name: ToolName, question: QuestionBody) -> Check:
    """Says what would become of a call, by what decides when it is made. Does nothing and counts nowhere."""
    by = _asked_about(caller, question)
    call = tools.ToolCall(new_id("call"), name, question.arguments, by, frozenset(question.read))
    try:
        foreseen = await app.tools.foresee(call)
    except UnknownTool as error:
        if app.tools.quarantine.find(name):
            raise Conflict("tool_definition_changed", f"{name} is put aside: {CHANGED}.") from error
        raise _no_tool(name) from error
    return Check(
        tool=name,
        agent=by.agent,
        user=by.owner,
        role=by.role,
        verdict=foreseen.decision.verdict,
        rule=foreseen.decision.rule,
        reason=foreseen.decision.reason,
        passed_over=[PassedOverRule(**asdict(each)) for each in foreseen.passed_over if caller.role == "admin"],
        arguments_error=foreseen.complaint,
        rates=[RateLeft(**asdict(each)) for each in foreseen.allowances],
    )


def _asked_about(principal: Principal, question: Question) -> tools.Caller:
    other = question.user not in (None, principal.name) or question.role not in (None, principal.role)
    if other and principal.role != "admin":
        raise Forbidden("admin_only", "Only an admin may ask for somebody else: leave out `user` and `role`.")
    return tools.Caller(question.user or principal.name, question.agent, role=question.role or principal.role)


def _no_tool(name: str) -> NotFound:
    return NotFound("unknown_tool", f"There is no tool {name} now; GET /v1/tools lists those there are.")


def _resource(spec: tools.ToolSpec) -> Tool:
    return Tool(
        name=spec.name,
        server=spec.server,
        description=spec.description,
        input_schema=spec.input_schema,
        annotations=dict(spec.annotations),
    )
