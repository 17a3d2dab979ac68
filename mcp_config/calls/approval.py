"""What becomes of a call that policy leaves to a person: approved, edited, rejected, or left until somebody answers.

Whom to ask, and how, is told by a port: this module knows neither runs nor requests.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from mcp_config.calls.decision import Decision
from mcp_config.calls.path import Ask, OfferedTool, denied
from mcp_config.tools import Answer, Approvals, CallTool, ToolCall, ToolResult


@dataclass(frozen=True)
class Complaint:
    """Why arguments that a person wrote cannot be used."""

    code: str
    detail: str
    pointer: str = ""
    """Where in the arguments; empty for all of them."""


Judge = Callable[[ToolCall], Awaitable[Complaint | None]]
"""Says why a call cannot be made now, if a person wants it made."""


async def find_complaint(call: ToolCall, tool: OfferedTool, decision: Decision) -> Complaint | None:
    """Judges an edited call as the path does: by schema and policy. An `ask` is satisfied, a `deny` is not."""
    schema = tool.definition.schema
    if wrong := await schema.find_complaint(call.arguments):
        pointer = await schema.find_pointer(call.arguments)
        return Complaint("invalid_arguments", f"{call.tool} was not called: {wrong}.", pointer)
    if decision.verdict == "deny":
        return Complaint("denied_by_policy", denied(call, decision, "denied_by_policy").content)
    return None


def approval(approvals: Approvals | None, decision: Decision, judge: Judge) -> Ask:
    """Asks, and does what the answer says. Answers take their time: what is to be done then is judged anew."""

    async def ask(request: ToolCall, following: CallTool) -> ToolResult:
        answer = await approvals.ask(request, decision.rule) if approvals else None
        if answer is None:
            return _left(request, decision, somebody=approvals is not None)
        match answer.decision:
            case "approve" | "edit":
                edited = answer.decision == "edit"
                meant = replace(request, arguments=answer.arguments or {}) if edited else request
                if complaint := await judge(meant):
                    return ToolResult("denied", complaint.detail, complaint.code)
                return await following(meant)
            case "reject" | "expire":
                return refused(request.tool, answer)

    return ask


def unasked(decision: Decision) -> Ask:
    """For what nobody can be asked about."""

    async def refuse(request: ToolCall, following: CallTool) -> ToolResult:
        del following
        return _left(request, decision, somebody=False)

    return refuse


def refused(tool: str, answer: Answer) -> ToolResult:
    """Returns what a model is told of a call that nobody allowed."""
    if answer.decision == "expire":
        why, code = "it needs a person's approval, and nobody approved it in time", "approval_expired"
    else:
        why, code = f"rejected by a person: {answer.reason or 'no reason was given'}", "rejected"
    return ToolResult("denied", f"{tool} was not called: {why}. Go on without it, or tell the user.", code)


def _left(request: ToolCall, decision: Decision, *, somebody: bool) -> ToolResult:
    why = "it waits for a person's approval" if somebody else "it needs a person's approval, and nobody can be asked"
    text = f"{request.tool} was not called: {why} ({decision.rule}). Go on without it, or tell the user."
    return ToolResult("denied", text, "approval_required")
