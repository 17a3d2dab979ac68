"""Asking a person about a call that came through the gateway: there and then if the client can, else for later."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import JsonValue

from config.plain_sight import show_bounded
from mcp_config.audit import Audit, AuditEntry
from mcp_config.gateway.client import GatewayClient
from mcp_config.talkback import Params
from mcp_config.tools import Answer, Approvals, ToolCall

_PATIENCE_SECONDS: Final = 300.0
_CHOICE: Final[JsonValue] = {
    "type": "object",
    "properties": {
        "decision": {"type": "string", "enum": ["approve", "reject"], "title": "May this call be made?"},
    },
    "required": ["decision"],
}


class Question(Approvals, Protocol):
    """One question that is put down for a person to answer later."""

    @property
    def approval_id(self) -> str | None:
        """What the answer is given to; None as long as nothing was asked."""


Questions = Callable[[], Question]


@dataclass(frozen=True)
class Asking:
    """Satisfies `mcp_config.tools.Approvals`, for one call."""

    client: GatewayClient
    audit: Audit
    later: Question | None

    @property
    def possible(self) -> bool:
        return self.later is not None or self.client.elicits()

    async def ask(self, call: ToolCall, rule: str) -> Answer | None:
        # a client answers with its own key: what that may not say over REST, it may not say here
        answer = await self._ask_now(call, rule) if call.caller.resolves else None
        if answer is not None:
            await self._record(call, rule, answer)
            return answer
        return await self.later.ask(call, rule) if self.later else Answer("expire")

    async def _ask_now(self, call: ToolCall, rule: str) -> Answer | None:
        if not self.client.elicits():
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                said = await self.client.elicit(build_form(call, rule))
        except TimeoutError:
            return None
        return _read(said or {})

    async def _record(self, call: ToolCall, rule: str, answer: Answer) -> None:
        entry = AuditEntry(
            principal=call.caller.owner,
            role=call.caller.role,
            action="approval.resolve",
            target=call.id,
            outcome="approved" if answer.decision == "approve" else "rejected",
            rule=rule,
            detail={"tool": call.tool, "call_id": call.id, "by": call.caller.owner},
        )
        await self.audit.record(entry)


def build_form(call: ToolCall, rule: str) -> Params:
    """Returns the question, as MCP clients put it to their user."""
    message = (
        f"May {call.tool} be called with {show_bounded(call.arguments)}? The rule {rule} asks for a person's approval."
    )
    return {"mode": "form", "message": message, "requestedSchema": _CHOICE}


def _read(said: Params) -> Answer | None:
    """Returns what the person decided; None when they put it off."""
    content = said.get("content")
    match said.get("action"):
        case "accept" if isinstance(content, dict) and content.get("decision") == "approve":
            return Answer("approve")
        case "accept" | "decline":
            return Answer("reject")
        case _:
            return None
