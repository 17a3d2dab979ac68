"""How a run asks a person about a tool call: it says so and suspends, and goes on from there with the answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from langgraph.types import interrupt
from pydantic import JsonValue, TypeAdapter, ValidationError

from mcp_config.tools import Answer, JsonObject, ToolCall
from nodes.context import RunContext
from nodes.facts import ApprovalAsked, FactWriter

_answers: TypeAdapter[Answer] = TypeAdapter(Answer)


@dataclass
class RunApprovals:
    """Satisfies `mcp_config.tools.Approvals` for the calls of one step."""

    step_id: str
    write: FactWriter
    context: RunContext
    _said: Answer | None = None

    async def ask(self, call: ToolCall, rule: str) -> Answer:
        """Returns the answer if it is known; else the run suspends here, and this node is run again with it."""
        if answer := self.context.answers.get(call.id):
            return answer
        if call.id not in self.context.answers:
            await self._say(call, rule)
        # A server hands answers in by the context, Studio and notebooks by `Command(resume={"decision": "approve"})`.
        said: JsonValue = interrupt({"tool": call.tool, "arguments": call.arguments, "rule": rule})
        self._said = _read(said)
        return self._said

    def edited(self, call: ToolCall) -> JsonObject | None:
        """Returns the arguments that a person put in the place of the model's, if somebody did."""
        answer = self._said or self.context.answers.get(call.id)
        return answer.arguments if answer and answer.decision == "edit" else None

    async def _say(self, call: ToolCall, rule: str) -> None:
        receipt = asyncio.get_running_loop().create_future() if self.context.acknowledged else None
        self.write(ApprovalAsked(self.step_id, call, rule, receipt))
        if receipt:
            await receipt


def _read(said: JsonValue) -> Answer:
    """Fails closed: what cannot be read allows nothing."""
    try:
        return _answers.validate_python(said if isinstance(said, Mapping) else {"decision": said})
    except ValidationError:
        return Answer("reject", reason='the answer was not understood; it is {"decision": "approve"}, edit or reject')
