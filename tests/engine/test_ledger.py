"""The ledger of calls that no run makes."""

import pytest
from sqlalchemy import select

from config.ids import new_id
from mcp_config.tools import Caller, ToolCall, ToolResult
from server.db.tables import ToolCallRow
from tests.engine.conftest import House


@pytest.fixture
def place(database_url: str) -> str:
    return database_url


async def _row(house: House, call: ToolCall) -> tuple[str, str, str | None, str | None]:
    async with house.store.database.read() as session:
        row = (await session.scalars(select(ToolCallRow).where(ToolCallRow.id == call.id))).one()
        return row.owner, row.status, row.result, row.error.code if row.error else None


async def test_call_is_written_down_before_and_after_its_effect(house: House) -> None:
    ledger = house.store.tool_calls
    call = ToolCall(new_id("call"), "time__now", {"q": 1}, Caller(owner="ada", role="admin"))
    await ledger.started(call)
    assert await _row(house, call) == ("ada", "running", None, None)
    await ledger.ended(call, ToolResult("error", "no such zone", "tool_error"))
    assert await _row(house, call) == ("ada", "error", "no such zone", "tool_error")
    await ledger.ended(call, ToolResult("ok", "late"))
    assert await _row(house, call) == ("ada", "error", "no such zone", "tool_error")
