"""The audit's rows stay as they were written, and a run's reading is remembered, on both databases."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from config.ids import new_id
from mcp_config.audit import AuditEntry
from mcp_config.tools import Caller, ToolCall, ToolResult
from server.db.guard_tables import AuditRow
from server.db.sessions import WriteSession
from server.db.store import Store
from server.resources.audit import AuditQuery
from tests.db.stories import OWNER, begin


async def test_no_row_of_the_audit_can_be_changed(store: Store) -> None:
    await store.audit.record(AuditEntry(OWNER, "user", "tool.call", "time__now", "denied", rule="default"))

    async def forge(session: WriteSession) -> None:
        await session.execute(text("UPDATE audit SET outcome = 'ok'"))

    with pytest.raises(DBAPIError, match="append-only"):
        await store.database.write(forge)
    async with store.database.read() as session:
        assert (await session.scalars(select(AuditRow.outcome))).all() == ["denied"]
    assert [record.rule for record in (await store.audit.page(AuditQuery())).data] == ["default"]


@pytest.mark.exhaustive
async def test_what_a_run_has_read_is_known_after_a_restart(store: Store) -> None:
    run = await begin(store)
    caller = Caller(OWNER, "general", run.run_id)
    for tool, status in (("web__page", "ok"), ("mail__send", "denied")):
        call = ToolCall(new_id("call"), tool, {}, caller)
        await store.tool_calls.started(call)
        await store.tool_calls.ended(call, ToolResult("ok" if status == "ok" else "denied", "", None))
    assert await store.tool_calls.tools_read(run.run_id) == {"web__page"}
    assert await store.tool_calls.tools_read((await begin(store)).run_id) == frozenset()
