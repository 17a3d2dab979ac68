"""Runs that wait for a person: suspended, answered once, carried on; across restarts, cancels and expiry."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from graph.events import ApprovalRequested, ApprovalResolved, RunFailed, RunResumed, ToolCallResult
from mcp_config.tools import Answer
from server.db.sessions import WriteSession
from server.db.tables import RunRow
from server.errors import Conflict, NotFound
from server.resources.approvals import Approval
from server.resources.pages import PageQuery
from server.resources.runs import Run, RunStatus
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final, read_to_end, transcript
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool, returning
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import PATIENCE, until

TOOLS = {
    "time__set": Tool(returning("clock set"), asks=True),
    "time__stop": Tool(returning("clock stopped"), asks=True),
    "time__now": Tool(returning("12:00")),
}


@pytest.fixture
def site(site: Site, scripted_model: ScriptedModel) -> Site:
    site.tools = dict(TOOLS)
    calls = Replies.tools(("time__set", {"q": "noon"}), ("time__stop", {}), ("time__now", {}))
    scripted_model.always(has_result(), Replies.text("done"))
    scripted_model.always(says("both"), calls)
    scripted_model.always(says("set"), Replies.tools(("time__set", {"q": "noon"}), ("time__now", {})))
    scripted_model.always(says("hello"), Replies.text("hi"))
    return site


async def waiting(house: House, run: Run, count: int = 1) -> list[Approval]:
    """Waits until the run has suspended, and returns its open questions."""

    async def suspended() -> bool:
        return (await house.store.runs.get(OWNER, run.id)).status == "requires_action"

    await until(suspended)
    page = await house.store.approvals.page(OWNER, PageQuery(), "pending", run.id)
    assert len(page.data) == count
    return sorted(page.data, key=lambda approval: approval.tool)


async def answer(house: House, approval: Approval, said: Answer | None = None) -> str | None:
    settled = await house.store.approvals.resolve(OWNER, approval.id, said or Answer("approve"), OWNER)
    if settled.ready:
        house.engine.wake(settled.ready)
    return settled.ready


async def losses(house: House, run: Run) -> int:
    """Returns how often a process died with this run in its hands."""
    async with house.store.database.read() as session:
        return (await session.scalars(select(RunRow.losses).where(RunRow.id == run.id))).one()


async def test_approved_run_completes_and_each_call_is_made_once(house: House, scripted_model: ScriptedModel) -> None:
    run = await ask(house, "set the clock", agent_id="clock")
    [approval] = await waiting(house, run)
    assert (approval.agent, approval.tool, approval.arguments) == ("clock", "time__set", {"q": "noon"})
    assert await answer(house, approval) == run.id
    log = await read_to_end(house, run.id)
    check_laws(log)
    assert log[-1].type == "run.completed"
    assert sorted(call.tool for call in house.tools.acts) == ["time__now", "time__set"]
    assert len(scripted_model.requests) == 2, "no turn of the model is repeated"
    assert [event.approval_id for event in log if isinstance(event, ApprovalRequested)] == [approval.id]
    [resolved] = [event for event in log if isinstance(event, ApprovalResolved)]
    assert (resolved.approval_id, resolved.decision, resolved.by) == (approval.id, "approve", OWNER)
    stored = await house.store.approvals.get(OWNER, approval.id)
    assert (stored.status, stored.resolved_by) == ("approved", OWNER)
    assert stored.tool_call is not None
    assert (stored.tool_call.status, stored.tool_call.result) == ("ok", "clock set")


async def test_run_goes_on_only_when_nothing_is_open_any_more(house: House) -> None:
    run = await ask(house, "both", agent_id="clock")
    first, second = await waiting(house, run, 2)
    assert await answer(house, first, Answer("edit", {"q": "one"})) is None
    assert (await house.store.runs.get(OWNER, run.id)).status == "requires_action"
    assert await answer(house, second, Answer("reject", reason="let it run")) == run.id
    log = await read_to_end(house, run.id)
    check_laws(log)
    assert [call.arguments for call in house.tools.acts if call.tool == "time__set"] == [{"q": "one"}]
    ends = {event.tool: event for event in log if isinstance(event, ToolCallResult)}
    assert ends["time__stop"].status == "denied"
    assert "rejected by a person: let it run" in (ends["time__stop"].content or "")


async def test_question_is_answered_once_and_only_by_its_owner(house: House) -> None:
    run = await ask(house, "set the clock", agent_id="clock")
    [approval] = await waiting(house, run)
    with pytest.raises(NotFound):
        await house.store.approvals.resolve("eve", approval.id, Answer("approve"), "eve")
    with pytest.raises(NotFound):
        await house.store.approvals.get("eve", approval.id)
    tries = [house.store.approvals.resolve(OWNER, approval.id, Answer("approve"), OWNER) for _ in range(5)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(refused) == 4
    assert {(error.code, str(error)) for error in refused} == {("approval_resolved", "It was approved before, by ada.")}
    house.engine.wake(run.id)
    await final(house, run)
    assert [call.tool for call in house.tools.acts].count("time__set") == 1


@pytest.mark.slow
async def test_waiting_run_keeps_its_place_in_the_conversation(house: House) -> None:
    run = await ask(house, "set the clock", agent_id="clock")
    [approval] = await waiting(house, run)
    after = await ask(house, "hello", run.conversation_id)
    other = await ask(house, "hello")
    assert (await final(house, other)).status == "completed"
    assert (await house.store.runs.get(OWNER, after.id)).status == "queued"
    await answer(house, approval)
    assert (await final(house, after)).status == "completed"
    assert await transcript(house, run.conversation_id) == ["set the clock", "hello", "done", "hi"]


async def test_cancelled_run_closes_its_question(house: House) -> None:
    run = await ask(house, "set the clock", agent_id="clock")
    [approval] = await waiting(house, run)
    after = await ask(house, "hello", run.conversation_id)
    assert (await house.engine.cancel(OWNER, run.id)).status == "cancelled"
    ending = [event.type for event in await read_to_end(house, run.id)][-3:]
    assert ending == ["run.resumed", "step.failed", "run.cancelled"]
    check_laws(await read_to_end(house, run.id))
    assert (await house.store.approvals.get(OWNER, approval.id)).status == "cancelled"
    with pytest.raises(Conflict) as stale:
        await answer(house, approval)
    assert stale.value.code == "approval_cancelled"
    assert (await final(house, after)).status == "completed"


async def test_conversation_with_a_waiting_run_can_be_deleted(house: House) -> None:
    run = await ask(house, "set the clock", agent_id="clock")
    [approval] = await waiting(house, run)
    queued = [await ask(house, "hello", run.conversation_id) for _ in range(2)]
    readers = [asyncio.create_task(read_to_end(house, each.id)) for each in (run, *queued)]
    await until(lambda: house.store.feed.readers == 3)
    await house.engine.delete_conversation(OWNER, run.conversation_id)
    assert [(await reader)[-1].type for reader in readers] == ["run.cancelled"] * 3
    with pytest.raises(NotFound):
        await answer(house, approval)
    for each in (run, *queued):
        with pytest.raises(NotFound):
            await house.store.runs.get(OWNER, each.id)


async def test_reader_may_ask_to_be_let_go_where_the_run_waits(house: House) -> None:
    run = await ask(house, "set the clock", agent_id="clock")
    async with asyncio.timeout(PATIENCE):
        read = [event.type async for event in house.engine.follow(OWNER, run.id, until_waiting=True)]
        [approval] = await waiting(house, run)
        again = [event.type async for event in house.engine.follow(OWNER, run.id, len(read), until_waiting=True)]
        await answer(house, approval)
        rest = [event.type async for event in house.engine.follow(OWNER, run.id, len(read), until_waiting=True)]
    assert "approval.requested" in read
    assert again == []
    assert (rest[0], rest[-1]) == ("approval.resolved", "run.completed")


@pytest.mark.slow
async def test_waiting_run_survives_a_restart_untouched_and_completes_after_it(site: Site) -> None:
    async with site.house() as house:
        run = await ask(house, "set the clock", agent_id="clock")
        [approval] = await waiting(house, run)
        before = await house.store.events.read(run.id)
    asked = len(site.script.requests)
    async with site.house() as second:
        stored = await second.store.runs.get(OWNER, run.id)
        assert (stored.status, stored.attempt) == ("requires_action", 1)
        assert await second.store.events.read(run.id) == before
        await answer(second, approval)
        log = await read_to_end(second, run.id)
        assert await losses(second, run) == 0, "waiting is no loss"
    check_laws(log)
    assert log[-1].type == "run.completed"
    assert [event.attempt for event in log if isinstance(event, RunResumed)] == [2]
    assert [call.tool for call in [*house.tools.acts, *second.tools.acts]] == ["time__now", "time__set"]
    assert len(site.script.requests) == asked + 1


@pytest.mark.exhaustive
@pytest.mark.parametrize(("said", "asks_again"), [("only", True), ("set", False)])
async def test_waiting_run_whose_checkpoint_is_lost_asks_again_or_ends_with_a_reason(
    site: Site, said: str, asks_again: bool
) -> None:
    site.script.always(says("only"), Replies.tools(("time__set", {"q": "noon"})))
    async with site.house() as house:
        run = await ask(house, f"{said} the clock", agent_id="clock")
        [lost] = await waiting(house, run)
    for file in site.folder.glob("checkpoints.db*"):
        file.unlink()
    async with site.house() as second:
        if asks_again:
            await until(lambda: asked_anew(second, run, lost))
            [approval] = await waiting(second, run)
            await answer(second, approval)
        log = await read_to_end(second, run.id)
        assert (await second.store.approvals.get(OWNER, lost.id)).status == "expired"
    check_laws(log)
    made = [call.tool for call in [*house.tools.acts, *second.tools.acts]]
    if asks_again:
        assert (log[-1].type, made) == ("run.completed", ["time__set"])
    else:  # it had used a tool that must not be used twice
        assert isinstance(log[-1], RunFailed)
        assert (log[-1].error.code, made) == ("checkpoint_lost", ["time__now"])


async def asked_anew(house: House, run: Run, lost: Approval) -> bool:
    page = await house.store.approvals.page(OWNER, PageQuery(), "pending", run.id)
    return [approval.id for approval in page.data] not in ([], [lost.id])


async def test_waiting_takes_no_time_of_the_runs_budget(house: House) -> None:
    run = await ask(house, "set the clock", agent_id="clock")
    [approval] = await waiting(house, run)
    before = (await house.store.spending.read(run.id)).seconds
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    event = ApprovalResolved(run_id=run.id, at=tomorrow, approval_id=approval.id, decision="approve", by=OWNER)

    async def note(session: WriteSession) -> None:
        await house.store.events.note(session, await session.get_one(RunRow, run.id), event)

    await house.store.database.write(note)
    assert (await house.store.spending.read(run.id)).seconds == before


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_run_killed_around_its_question_ends_right_and_calls_once(site: Site) -> None:
    """Of every state that a crash can leave behind: the log, the question and the checkpoint as they then were."""
    for moment in ("asked", "suspended", "answered", "queued again"):
        async with site.house() as house:
            run = await ask(house, "set the clock", agent_id="clock")
            [approval] = await waiting(house, run)
            if moment in ("answered", "queued again"):
                await house.store.approvals.resolve(OWNER, approval.id, Answer("approve"), OWNER)
            if moment in ("asked", "answered"):  # the process died before it could let the run wait
                await set_status(house, run, "running")
        async with site.house() as second:
            if moment in ("asked", "suspended"):
                [approval] = await waiting(second, run)
                await answer(second, approval)
            log = await read_to_end(second, run.id)
            assert await losses(second, run) == (1 if moment in ("asked", "answered") else 0)
        check_laws(log)
        assert log[-1].type == "run.completed"
        assert [call.tool for call in [*house.tools.acts, *second.tools.acts]] == ["time__now", "time__set"], moment
        assert sum(isinstance(event, ApprovalRequested) for event in log) == 1


async def set_status(house: House, run: Run, status: RunStatus) -> None:
    async def write(session: WriteSession) -> None:
        await session.execute(update(RunRow).where(RunRow.id == run.id).values(status=status))

    await house.store.database.write(write)
