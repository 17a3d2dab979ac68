"""Forks and branches: another answer to the same question, from stored plan and outputs, also over a restart."""

import pytest

from graph.events import RunResumed, StepCompleted, Usage
from mcp_config.tools import JsonObject
from server.errors import ApiError, Conflict, Invalid, NotFound
from server.resources.conversations import NewConversation, NewMessage
from server.resources.pages import PageQuery
from server.resources.runs import NewFork, NewRun, Run
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final, read_to_end, read_until
from tests.graph.conftest import plan, synthesizes
from tests.graph.laws import check_laws
from tests.support.scripted_model import Replies, ScriptedModel, plans, prompted, says

STEPS: tuple[JsonObject, ...] = (
    {"agent": "general", "task": "count the orders"},
    {"agent": "clock", "task": "look at the clock"},
    {"agent": "general", "task": "compare both", "depends_on": [1, 2]},
)


async def planned_run(house: House, script: ScriptedModel) -> Run:
    script.when(plans, plan(*STEPS))
    script.when(says("count the orders"), Replies.text("four"))
    script.when(says("look at the clock"), Replies.text("noon"))
    script.when(says("compare both"), Replies.text("equal"))
    script.when(synthesizes, Replies.text("The old answer."))
    return await final(house, await ask(house, "orders and time", agent_id="router"))


async def fork(house: House, run: Run, **wish: str) -> Run:
    return await house.engine.fork_run(OWNER, "user", run.id, NewFork.model_validate(wish))


async def answers(house: House, run: Run) -> list[str]:
    """Returns the answers that stand beside that of a run."""
    page = await house.store.messages.page(OWNER, run.conversation_id, PageQuery(order="asc", limit=100))
    of_run = next(message for message in page.data if message.run_id == run.id)
    return [message.content for message in page.data if message.parent_id == of_run.parent_id]


async def test_fork_from_a_step_runs_it_and_what_depends_on_it_anew(
    house: House, scripted_model: ScriptedModel
) -> None:
    run = await planned_run(house, scripted_model)
    second = next(step for step in await house.store.runs.steps(OWNER, run.id) if step.task == "look at the clock")
    asked = len(scripted_model.requests)
    scripted_model.when(says("look again"), Replies.text("midnight"))
    scripted_model.when(says("compare both"), Replies.text("unequal"))
    scripted_model.when(synthesizes, Replies.text("The new answer."))

    forked = await fork(house, run, step_id=second.id, task="look again")
    log = await read_to_end(house, forked.id)

    check_laws(log)
    assert len(scripted_model.requests) - asked == 3
    assert await answers(house, forked) == ["The old answer.", "The new answer."]
    assert (await house.store.runs.get(OWNER, forked.id)).forked_from == run.id
    steps = await house.store.runs.steps(OWNER, forked.id)
    assert [(step.kind, step.task, step.output, step.usage == Usage()) for step in steps] == [
        ("plan", "orders and time", steps[0].output, True),
        ("agent", "count the orders", "four", True),
        ("agent", "look again", "midnight", False),
        ("agent", "compare both", "unequal", False),
        ("synthesis", steps[4].task, "The new answer.", False),
    ]
    assert steps[3].depends_on == [steps[1].id, steps[2].id]


async def test_fork_of_a_fork_from_its_answer_only_writes_it_again(house: House, scripted_model: ScriptedModel) -> None:
    run = await planned_run(house, scripted_model)
    for text in ("second", "third"):
        scripted_model.when(synthesizes, Replies.text(text))
        run = await final(house, await fork(house, run))
        check_laws(await read_to_end(house, run.id))
    assert await answers(house, run) == ["The old answer.", "second", "third"]


async def test_run_of_one_agent_is_forked_to_another_agent(house: House, scripted_model: ScriptedModel) -> None:
    scripted_model.when(prompted("you are general"), Replies.text("I do not know."))
    scripted_model.when(prompted("you are clock"), Replies.text("Noon."))
    run = await final(house, await ask(house, "what time is it?"))
    forked = await final(house, await fork(house, run, agent_id="clock"))
    check_laws(await read_to_end(house, forked.id))
    assert (forked.status, forked.agent_id) == ("completed", "clock")
    assert await answers(house, forked) == ["I do not know.", "Noon."]


@pytest.mark.exhaustive
async def test_failed_run_is_forked_where_it_failed(house: House, scripted_model: ScriptedModel) -> None:
    scripted_model.when(plans, plan({"agent": "general"}))
    scripted_model.when(
        prompted("you are general"), Replies.text("half ", "an").stalled(after=1), Replies.text("whole")
    )
    run = await ask(house, "hello", agent_id="router")
    await read_until(house, run.id, "model.delta")
    await house.engine.cancel(OWNER, run.id)
    assert (await final(house, run)).status == "cancelled"
    forked = await final(house, await fork(house, run))
    check_laws(await read_to_end(house, forked.id))
    assert (forked.status, forked.usage.total_tokens) == ("completed", 15)


@pytest.mark.parametrize("at_work", [False, True], ids=["as it begins", "at work"])
async def test_fork_outlives_its_process_and_does_no_kept_step_again(
    site: Site, scripted_model: ScriptedModel, *, at_work: bool
) -> None:
    comparing = says("compare both")
    async with site.house() as house:
        run = await planned_run(house, scripted_model)
        third = next(step for step in await house.store.runs.steps(OWNER, run.id) if step.task == "compare both")
        asked = len(scripted_model.requests)
        scripted_model.always(synthesizes, Replies.text("The new answer."))
        if at_work:
            scripted_model.when(comparing, Replies.text("un").stalled())
        scripted_model.always(comparing, Replies.text("unequal"))
        seen = sum(1 for request in scripted_model.requests if comparing(request))
        forked = await fork(house, run, step_id=third.id)
        if at_work:
            await scripted_model.requested(comparing, seen + 1)
    async with site.house() as house:
        log = await read_to_end(house, forked.id)
        assert await answers(house, forked) == ["The old answer.", "The new answer."]
    check_laws(log)
    done = {event.step_id: event.output for event in log if isinstance(event, StepCompleted)}
    assert [*done.values()][1:] == ["four", "noon", "unequal", "The new answer."]
    assert ([event.attempt for event in log if isinstance(event, RunResumed)] == [2]) or not at_work
    assert len(scripted_model.requests) - asked <= 4, "no kept step asks its model"


@pytest.mark.parametrize(
    ("wish", "code", "kind"),
    [
        ({"step_id": "step_nowhere"}, "unknown_step", Conflict),
        ({"agent_id": "nobody"}, "unknown_agent", Invalid),
        ({"agent_id": "router"}, "unknown_agent", Invalid),
    ],
)
async def test_fork_that_cannot_be_says_why(
    house: House, scripted_model: ScriptedModel, wish: dict[str, str], code: str, kind: type[ApiError]
) -> None:
    scripted_model.answer(Replies.text("hi"))
    run = await final(house, await ask(house, "hello"))
    with pytest.raises(kind) as refusal:
        await fork(house, run, **wish)
    assert refusal.value.code == code
    with pytest.raises(NotFound):
        await house.engine.fork_run("eve", "user", run.id, NewFork())


async def test_run_that_has_not_ended_is_not_forked(house: House, scripted_model: ScriptedModel) -> None:
    scripted_model.when(says("hello"), Replies.text("one ", "two").stalled(after=1))
    run = await ask(house, "hello")
    with pytest.raises(Conflict) as refusal:
        await fork(house, run)
    assert refusal.value.code == "run_not_ended"
    await house.engine.cancel(OWNER, run.id)
    await final(house, run)


async def test_earlier_message_is_answered_again_beside_its_first_answer(
    house: House, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(says("one"), Replies.text("first"), Replies.text("another"))
    scripted_model.when(says("two"), Replies.text("second"))
    run = await final(house, await ask(house, "one"))
    later = await final(house, await ask(house, "two", run.conversation_id))
    page = await house.store.messages.page(OWNER, run.conversation_id, PageQuery(order="asc"))
    question = page.data[0]
    wanted = NewRun(agent_id="general", message_id=question.id)
    again = await final(house, await house.engine.create_run(OWNER, "user", run.conversation_id, wanted))
    assert await answers(house, again) == ["first", "another"]
    assert scripted_model.requests[-1].messages[-1]["content"].count("two") == 0
    for branch, expected in ((again, ["one", "another"]), (later, ["one", "first", "two", "second"])):
        assert branch.message_id is not None
        path = await house.store.messages.branch_page(
            OWNER, run.conversation_id, branch.message_id, PageQuery(order="asc")
        )
        assert [message.content for message in path.data] == expected


async def test_only_a_user_message_of_this_conversation_is_answered(house: House) -> None:
    conversation = (await house.store.conversations.create(OWNER, NewConversation())).id
    other = (await house.store.conversations.create(OWNER, NewConversation())).id
    said = await house.store.messages.add(OWNER, conversation, NewMessage(role="assistant", content="hi"))
    elsewhere = await house.store.messages.add(OWNER, other, NewMessage(content="hi"))
    for message in (said, elsewhere):
        with pytest.raises(Invalid) as refusal:
            await house.engine.create_run(
                OWNER, "user", conversation, NewRun(agent_id="general", message_id=message.id)
            )
        assert (refusal.value.code, refusal.value.pointer) == ("unknown_message", "/message_id")
