"""A call that cannot be written down is not made: neither the call nor its refusal passes in silence."""

import pytest
from sqlalchemy import func, select, text

from config.ids import new_id
from config.policies import Rule, ToolPolicies
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.registry import open_registry
from mcp_config.tools import Caller, ToolCall
from server.db.sessions import WriteSession
from server.db.store import Store, open_store
from server.db.tables import ToolCallRow
from server.engine.audit import CallAudit
from server.errors import Unavailable
from server.resources.audit import AuditQuery
from tests.engine.conftest import Site
from tests.mcp_config.rig import chaos
from tests.support.waiting import PATIENCE

POLICIES = ToolPolicies(
    rules=[Rule(match="well__*", verdict="allow"), Rule(match="well__act", verdict="deny")],
)


async def limit_the_disk(store: Store, pages: int) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(text(f"PRAGMA max_page_count={pages}"))

    await store.database.write(work)


@pytest.mark.parametrize("tool", ["well__echo", "well__act"])
async def test_a_call_is_not_made_while_the_database_is_full(site: Site, tool: str) -> None:
    by_hand = Caller("ada", role="admin")
    async with open_store(f"sqlite:///{site.folder / 'app.db'}") as store:
        ledger, guards = store.tool_calls, Guards(audit=CallAudit(store.audit))
        opened = open_registry([chaos("well")], POLICIES, lambda _: None, Deadlines(PATIENCE, PATIENCE), guards)
        async with opened as registry:
            await registry.call(ToolCall(new_id("call"), "well__count", {}, by_hand), ledger)
            await limit_the_disk(store, 1)
            made = 0
            with pytest.raises(Unavailable) as refused:
                for _ in range(400):  # the first still find room on pages that are there
                    await registry.call(ToolCall(new_id("call"), tool, {"text": "x" * 3000}, by_hand), ledger)
                    made += 1
            await limit_the_disk(store, 1_000_000)
            count = await registry.call(ToolCall(new_id("call"), "well__count", {}, by_hand), ledger)
        assert refused.value.code == "disk_full"
        assert len((await store.audit.page(AuditQuery(tool=tool, limit=100))).data) == made
        # the last call may have found room for its start alone: then the ledger has it, and the caller was told
        reached = str(count.structured).count("echo")
        assert reached in ((made, made + 1) if tool == "well__echo" else (0,))
        async with store.database.read() as session:
            begun = await session.scalar(select(func.count()).where(ToolCallRow.tool == tool))
        assert begun == reached
