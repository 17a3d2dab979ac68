"""The ledger of tool calls that no run makes: calls over REST. A run's calls are written down by its event log."""

from mcp_config.tools import ToolCall, ToolResult
from server.db.store import Store


class ToolLedger:
    """Satisfies `mcp_config.tools.Ledger`; each method returns once what it says is durable."""

    def __init__(self, store: Store) -> None:
        self._calls = store.tool_calls

    async def started(self, call: ToolCall) -> None:
        await self._calls.start(call)

    async def ended(self, call: ToolCall, result: ToolResult) -> None:
        await self._calls.end(call, result)
