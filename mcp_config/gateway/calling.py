"""Tools at the gateway: listed as the registry offers them, called down the governed path."""

import asyncio
import contextvars
from dataclasses import dataclass, field, replace
from typing import Final

from mcp import types

from config.ids import new_id
from config.redaction import Redactor
from mcp_config.audit import Audit
from mcp_config.gateway.asking import Asking, Questions
from mcp_config.gateway.client import Context, open_client
from mcp_config.gateway.face import Face
from mcp_config.gateway.visit import Sessions, build_answer, caller_of, context_of
from mcp_config.tools import JsonObject, Ledger, ToolCall, ToolResult, ToolSpec

_CODE: Final = "open-agent/error_code"
_NOT_AS_PROMISED: Final = "result_not_as_promised"
_APPROVAL: Final = "open-agent/approval_id"


@dataclass(frozen=True)
class Duties:
    """What the gateway owes to those above: where calls are written down, and who is asked about them."""

    ledger: Ledger
    audit: Audit
    questions: Questions | None = None
    """Without it, only clients that can ask their user are asked."""
    redactor: Redactor = field(default_factory=Redactor)
    """For what servers say beside their results."""
    patience: float = 300.0
    """Seconds that a client's user has to answer a question of a server."""
    calls: set[asyncio.Task[ToolResult]] = field(default_factory=set)
    """Under way. The SDK would cancel them also while they write down that they were cancelled."""


class Tools:
    def __init__(self, face: Face, sessions: Sessions, duties: Duties) -> None:
        self._face, self._sessions, self._duties = face, sessions, duties

    async def list(self, request: types.ListToolsRequest, context: Context) -> types.ServerResult:
        del request, context
        await self._face.settled()
        return build_answer({"tools": [self._listed(spec) for spec in self._face.specs()]})

    def _listed(self, spec: ToolSpec) -> JsonObject:
        return {
            **spec.shown,
            "name": self._face.shown_name(spec),
            "description": spec.description,
            "inputSchema": spec.input_schema,
            "annotations": {**spec.annotations, **({"idempotentHint": True} if spec.repeatable else {})},
        }

    async def call(self, request: types.CallToolRequest, context: Context) -> types.ServerResult:
        asked, level = request.params, self._sessions.level(context.session)
        # a model is asked only by a server that its client has chosen itself
        samples, patience = self._face.server is not None, self._duties.patience
        async with open_client(context, level, self._duties.redactor, samples=samples, patience=patience) as client:
            later = self._duties.questions() if self._duties.questions else None
            asking = Asking(client, self._duties.audit, later)
            tool = self._face.governed_name(asked.name)
            call = ToolCall(new_id("call"), tool, asked.arguments or {}, caller_of(context), client=client)
            result = await self._finish(call, asking, context_of(context))
        if result.status == "ok" and await self._face.registry.breaks_promise(tool, result.structured):
            # clients refuse such a result, or believe what is not so: what was hidden or cut off is no number any more
            result = replace(result, status="error", error_code=_NOT_AS_PROMISED, structured=None)
        return _answer(result, later.approval_id if later else None)

    async def _finish(self, call: ToolCall, asking: Asking, known: contextvars.Context) -> ToolResult:
        approvals = asking if asking.possible else None
        task = asyncio.create_task(self._face.registry.call(call, self._duties.ledger, approvals), context=known)
        self._duties.calls.add(task)
        task.add_done_callback(self._duties.calls.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise


def _answer(result: ToolResult, approval: str | None) -> types.ServerResult:
    blocks = result.blocks if result.blocks is not None else ({"type": "text", "text": result.content},)
    content = [*blocks]
    meta: JsonObject = {_CODE: result.error_code} if result.error_code else {}
    if approval and result.error_code == "approval_required":
        meta[_APPROVAL] = approval
        how = f'It waits as {approval}. To allow it: POST /v1/approvals/{approval} with {{"decision": "approve"}}.'
        content.append({"type": "text", "text": how})
    raw: JsonObject = {"content": [*content], "isError": result.status != "ok"}
    if isinstance(result.structured, dict):
        raw["structuredContent"] = result.structured
    return build_answer(raw | ({"_meta": meta} if meta else {}))
