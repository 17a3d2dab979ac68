"""The governed path: the one way to a tool, for agents, people and other programs alike.

It is folded from small wrappers `(call, following) -> result`. Outermost first: audit → allowlist → known → schema →
policy (and a person, where it says `ask`) → rate limit → ledger → size cap → redaction → dispatch.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

from config.agents import AgentSpec
from config.redaction import Redactor
from mcp_config.audit import Audit, AuditEntry
from mcp_config.calls.decision import Decision
from mcp_config.calls.rates import Rate, RateLimits
from mcp_config.definitions.definition import Definition
from mcp_config.local.local_tool import LocalTool
from mcp_config.tools import Allowance, CallTool, JsonObject, Ledger, ToolCall, ToolResult, ToolSpec
from mcp_config.upstream.connection import Connection

Wrapper = Callable[[ToolCall, CallTool], Awaitable[ToolResult]]
"""One piece of the path: it is given the call and the rest of the path, and may leave the rest out."""
FindAgent = Callable[[str], AgentSpec | None]
"""The agents that may call now, by id."""
Ask = Callable[[ToolCall, CallTool], Awaitable[ToolResult]]
"""What becomes of a call that policy leaves to a person: given the call and the rest of the path."""

_log = logging.getLogger(__name__)
_CANCELLED: Final = ToolResult("cancelled", "The call was cancelled.", "cancelled")


@dataclass(frozen=True)
class OfferedTool:
    """A tool with all that running it takes."""

    spec: ToolSpec
    definition: Definition
    source: Connection | LocalTool
    timeout: float
    """Seconds that a call may take."""
    max_result: int
    idle_timeout: float | None = None
    """Seconds that its server may say nothing of a call; None for as long as the call may take."""


def build_path(wrappers: Sequence[Wrapper], last: CallTool) -> CallTool:
    """Folds the wrappers around the last piece; the first becomes the outermost."""
    return reduce(_around, reversed(wrappers), last)


def _around(following: CallTool, wrapper: Wrapper) -> CallTool:
    async def call(request: ToolCall) -> ToolResult:
        return await wrapper(request, following)

    return call


def audited(audit: Audit, decision: Decision) -> Wrapper:
    """However a call ends, it is in the audit. That it can be is sure before it acts: the ledger lies beside it."""

    async def record(request: ToolCall, following: CallTool) -> ToolResult:
        try:
            result = await following(request)
        except asyncio.CancelledError:
            await audit.record(_build_entry(request, decision, _CANCELLED))
            raise
        await audit.record(_build_entry(request, decision, result))
        return result

    return record


def allowlist(refusal: Decision | None) -> Wrapper:
    """An agent calls only what is on its list, whatever it was offered before."""

    async def pass_listed(request: ToolCall, following: CallTool) -> ToolResult:
        return denied(request, refusal, "not_allowed") if refusal else await following(request)

    return pass_listed


def argument_check(tool: OfferedTool, redactor: Redactor) -> Wrapper:
    """Arguments that do not fit the tool's own schema never reach its server. What is told of it is the schema's."""

    async def pass_fitting(request: ToolCall, following: CallTool) -> ToolResult:
        if complaint := await tool.definition.schema.find_complaint(request.arguments):
            text = f"{request.tool} was not called: {complaint}. Correct the arguments and call again."
            return ToolResult("error", redactor.text(text), "invalid_arguments")
        return await following(request)

    return pass_fitting


def policy(decision: Decision, ask: Ask) -> Wrapper:
    """What the rules do not allow is not done; what they leave to a person is done when that person says so."""

    async def pass_allowed(request: ToolCall, following: CallTool) -> ToolResult:
        match decision.verdict:
            case "allow":
                return await following(request)
            case "ask":
                return await ask(request, following)
            case "deny":
                return denied(request, decision, "denied_by_policy")

    return pass_allowed


def rate_limit(limits: RateLimits, rates: Sequence[Rate]) -> Wrapper:
    """Nobody calls more often than their rates allow; who does is told how long to wait."""

    async def pass_within(request: ToolCall, following: CallTool) -> ToolResult:
        if not rates:
            return await following(request)
        allowed, allowances = await limits.take(rates)
        if not allowed:
            return ToolResult("error", _too_often(request, allowances), "rate_limited", allowances=allowances)
        return replace(await following(request), allowances=allowances)

    return pass_within


def written_down(ledger: Ledger) -> Wrapper:
    """No effect before `started` is durable, and an end for every start."""

    async def write_down(request: ToolCall, following: CallTool) -> ToolResult:
        try:
            await ledger.started(request)
            result = await following(request)
        except asyncio.CancelledError:
            await ledger.ended(request, _CANCELLED)
            raise
        await ledger.ended(request, result)
        return result

    return write_down


def _too_often(request: ToolCall, allowances: Sequence[Allowance]) -> str:
    used_up = max(allowances, key=lambda allowance: (not allowance.remaining, allowance.reset))
    limit = f"{used_up.limit} calls in {used_up.window} seconds for this {used_up.scope}"
    return f"{request.tool} was not called: the limit of {limit} is reached. Try again in {used_up.reset} seconds."


def denied(request: ToolCall, decision: Decision, code: str) -> ToolResult:
    why = decision.reason or "a rule denies it"
    text = f"{request.tool} was not called: {why} ({decision.rule}). Go on without it, or tell the user."
    return ToolResult("denied", text, code)


def _build_entry(call: ToolCall, decision: Decision, result: ToolResult) -> AuditEntry:
    detail: JsonObject = {"call_id": call.id}
    if result.error_code:
        detail["code"] = result.error_code
    return AuditEntry(
        principal=call.caller.owner,
        role=call.caller.role,
        action="tool.call",
        target=call.tool[:200],
        outcome=result.status,
        agent=call.caller.agent,
        rule=decision.rule,
        run_id=call.caller.run_id,
        detail=detail,
    )
