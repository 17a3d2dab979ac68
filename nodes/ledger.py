"""The ledger of tool calls that a run keeps: each call is said before it acts, and said again when it has ended."""

import asyncio
from dataclasses import dataclass

from mcp_config.tools import ToolCall, ToolResult
from nodes.facts import CallEnded, CallStarted, FactWriter


@dataclass
class StreamLedger:
    """Writes one call of one step to the custom stream; where a log is kept, `started` waits until it is there."""

    step_id: str
    write: FactWriter
    acknowledged: bool
    _started: bool = False
    _ended: bool = False

    @property
    def acted(self) -> bool:
        """Whether the call reached its server."""
        return self._started

    async def started(self, call: ToolCall) -> None:
        receipt = asyncio.get_running_loop().create_future() if self.acknowledged else None
        self._started = True
        self.write(CallStarted(self.step_id, call, receipt))
        if receipt:
            await receipt

    async def ended(self, call: ToolCall, result: ToolResult) -> None:
        self._ended = True
        self.write(CallEnded(self.step_id, call, result))

    def settle(self, call: ToolCall, result: ToolResult) -> None:
        """Says what the path did not: a call stopped before dispatch (denied, say) is in the log all the same."""
        if not self.acted:
            self.write(CallStarted(self.step_id, call))
        if not self._ended:
            self.write(CallEnded(self.step_id, call, result))
