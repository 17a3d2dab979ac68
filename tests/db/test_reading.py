"""What a run has read is known to those that come after it: on its branch, in its forks, also when it is gone."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from config.ids import new_id
from mcp_config.tools import Caller, ToolCall, ToolResult
from server.db.queue import Claim
from server.db.retention import Terms
from server.db.sessions import WriteSession
from server.db.store import Store
from server.db.tables import MessageRow
from server.resources.pages import PageQuery
from server.resources.runs import NewFork
from tests.db.stories import OWNER, answer, begin, claim, queue, say


async def call(store: Store, run: Claim, tool: str) -> None:
    made = ToolCall(new_id("call"), tool, {}, Caller(OWNER, "general", run.run_id))
    await store.tool_calls.started(made)
    await store.tool_calls.ended(made, ToolResult("ok", "", None))


async def follow_up(store: Store, run: Claim, parent_id: str | None = None) -> Claim:
    """Asks on in the run's conversation and claims the run that is to answer."""
    await say(store, run.conversation_id, "and now?", parent_id)
    return await claim(store, (await queue(store, run.conversation_id)).id)


async def reader(store: Store) -> Claim:
    """A run that has read a page and answered."""
    run = await begin(store)
    await call(store, run, "web__page")
    await answer(store, run)
    return run


async def test_later_runs_of_a_branch_know_what_was_read_above_them_and_other_branches_do_not(store: Store) -> None:
    run = await reader(store)
    second = await follow_up(store, run)
    await call(store, second, "files__read")
    assert await store.tool_calls.tools_read(second.run_id) == {"web__page", "files__read"}
    assert await store.tool_calls.tools_used(second.run_id) == {"files__read"}
    await answer(store, second)
    third = await follow_up(store, run)
    assert await store.tool_calls.tools_read(third.run_id) == {"web__page", "files__read"}
    await answer(store, third)

    page = await store.messages.page(OWNER, run.conversation_id, PageQuery(order="asc", limit=100))
    beside = await follow_up(store, run, parent_id=page.data[0].id)
    assert await store.tool_calls.tools_read(beside.run_id) == frozenset()


async def test_what_was_read_is_known_when_the_run_that_read_it_is_gone(store: Store) -> None:
    run = await reader(store)
    later = datetime.now(UTC) + timedelta(days=1)
    await store.retention.remove(Terms(later, later, later))
    assert await store.tool_calls.tools_read((await follow_up(store, run)).run_id) == {"web__page"}


async def test_answer_of_an_earlier_version_is_asked_for_its_run(store: Store) -> None:
    run = await reader(store)

    async def forget(session: WriteSession) -> None:
        await session.execute(update(MessageRow).values(tools_read=None))

    await store.database.write(forget)
    assert await store.tool_calls.tools_read((await follow_up(store, run)).run_id) == {"web__page"}


async def test_fork_knows_what_the_run_had_read_also_when_that_is_gone(store: Store) -> None:
    run = await reader(store)
    fork = await store.runs.fork(OWNER, "user", run.run_id, NewFork(agent_id="clock"), 1, ["general", "clock"])
    later = datetime.now(UTC) + timedelta(days=1)
    await store.retention.remove(Terms(later, later - timedelta(days=2), later))
    assert await store.tool_calls.tools_read(fork.id) == {"web__page"}
