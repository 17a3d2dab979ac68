"""The registry: seeded once, changed live, and every revision can be had again."""

import json

import pytest
from pydantic import JsonValue
from sqlalchemy import text
from structlog.testing import capture_logs

from config.agents import AgentSpec
from server.db.sessions import WriteSession
from server.errors import ApiError, Conflict, Invalid, NotFound
from server.resources.pages import PageQuery
from tests.engine.conftest import AGENTS, House, Site
from tests.engine.talk import ask, final, read_until
from tests.graph.conftest import agent
from tests.support.scripted_model import Replies, ScriptedModel, prompted, says


async def test_file_seeds_the_registry_and_has_no_say_afterwards(site: Site) -> None:
    async with site.house() as house:
        page = await house.registry.page(PageQuery(order="asc"))
        assert page.data == sorted(AGENTS, key=lambda each: each.id)
        await house.registry.update("clock", {"system_prompt": "You are a better clock."})
    async with site.house() as house:
        kept = await house.registry.get("clock")
        assert (kept.system_prompt, kept.version) == ("You are a better clock.", 2)
        assert house.registry.find("clock") == kept


async def test_made_agent_is_there_for_the_next_run(house: House, scripted_model: ScriptedModel) -> None:
    scripted_model.when(prompted("you are poet"), Replies.text("roses"))
    made = await house.registry.create(agent("poet").model_copy(update={"version": 7}))
    assert made.version == 1
    assert (await final(house, await ask(house, "a poem", agent_id="poet"))).status == "completed"


async def test_agents_that_an_earlier_version_stored_blank_are_named_and_answer(
    site: Site, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(prompted("you are a helpful assistant"), Replies.text("Hello."))
    async with site.house() as house:
        await house.store.database.write(blank_out)
    with capture_logs() as logs:
        async with site.house() as house:
            read = await house.registry.get("general")
            assert (await final(house, await ask(house, "hello"))).status == "completed"
            assert (await house.registry.update("general", {"system_prompt": "Be."})).system_prompt == "Be."
    warned = [(log["agent"], log["keys"]) for log in logs if "earlier version" in log["event"]]
    assert warned == [("general", ["name", "description", "system_prompt", "model"])]
    assert (read.name, read.model, read.description) == ("general", "default", "(It has no description.)")


async def blank_out(session: WriteSession) -> None:
    """Makes of the agent `general` what was taken once."""
    stored = json.dumps({"id": "general", "name": " ", "description": " ", "system_prompt": "\n", "model": []})
    await session.execute(text("UPDATE agents SET spec = :spec WHERE id = 'general'"), {"spec": stored})
    await session.execute(text("UPDATE agent_versions SET spec = :spec WHERE agent_id = 'general'"), {"spec": stored})


@pytest.mark.exhaustive
async def test_change_is_live_for_the_next_run_and_not_for_one_that_waits(
    house: House, scripted_model: ScriptedModel
) -> None:
    scripted_model.when(prompted("you are general"), Replies.text("slow").stalled(), Replies.text("old"))
    scripted_model.when(prompted("you are new"), Replies.text("new"))
    slow = await ask(house, "one")
    waiting = await ask(house, "two", slow.conversation_id)
    await scripted_model.requested(says("one"))
    await house.registry.update("general", {"system_prompt": "You are new."})
    after = await ask(house, "three")
    await final(house, after)
    await house.engine.cancel("ada", slow.id)
    await final(house, waiting)
    assert [request.system.split(".")[0] for request in scripted_model.requests] == [
        "You are general",
        "You are new",
        "You are general",
    ]


async def test_revision_can_be_had_again(house: House) -> None:
    before = await house.registry.present()
    await house.registry.update("clock", {"enabled": False})
    await house.registry.create(agent("poet"))
    now = await house.registry.present()
    assert set(now.agents) == {"router", "general", "poet"}
    assert (await house.registry.edition(before.revision)).agents == before.agents
    assert set(await house.store.agents.enabled(now.revision - 1)) == {"router", "general"}


async def test_disabled_agent_gets_no_new_runs(house: House) -> None:
    await house.registry.update("clock", {"enabled": False})
    with pytest.raises(Invalid) as refusal:
        await ask(house, "time", agent_id="clock")
    assert refusal.value.code == "unknown_agent"


async def test_patch_changes_what_it_names_and_null_takes_back(house: House) -> None:
    patch: dict[str, JsonValue] = {
        "policies": {"limits": {"steps": 3, "tokens": 100}},
        "allowed_tools": ["time__*"],
        "model": ["fast"],
    }
    first = await house.registry.update("general", patch)
    second = await house.registry.update("general", {"policies": {"limits": {"tokens": None}}, "id": "general"})
    assert first.policies.limits.model_dump(exclude_none=True) == {"steps": 3, "tokens": 100}
    assert second == first.model_copy(
        update={"version": 3, "policies": first.policies.model_copy(update={"limits": second.policies.limits})}
    )
    assert second.policies.limits.model_dump(exclude_none=True) == {"steps": 3}


@pytest.mark.parametrize(
    ("patch", "code", "pointer"),
    [
        ({"model": "slow"}, "unknown_model", "/model"),
        ({"model": ["fast", "nobody:gpt"]}, "unknown_model", "/model/1"),
        ({"name": ""}, "agent_invalid", "/name"),
        ({"policies": {"limits": {"steps": 0}}}, "agent_invalid", "/policies/limits/steps"),
        ({"colour": "red"}, "agent_invalid", "/colour"),
        ({"system_prompt": None}, "agent_invalid", "/system_prompt"),
        ({"version": 9}, "agent_changed", None),
        ({"version": "1"}, "agent_invalid", "/version"),
        ({"description": "  "}, "agent_invalid", "/description"),
        ({"model": [5]}, "agent_invalid", "/model/0"),
        ({"model": {"x": 1}}, "agent_invalid", "/model"),
        ({"id": "other"}, "agent_invalid", "/id"),
        ({"enabled": False}, "agent_needed", None),
        ({"enabled": "no"}, "agent_invalid", "/enabled"),
        ({"enabled": 0}, "agent_invalid", "/enabled"),
    ],
)
async def test_patch_that_does_not_fit_changes_nothing_and_says_where(
    house: House, patch: dict[str, JsonValue], code: str, pointer: str | None
) -> None:
    before = await house.registry.get("general")
    with pytest.raises(ApiError) as refusal:
        await house.registry.update("general", patch)
    assert (refusal.value.code, refusal.value.pointer) == (code, pointer)
    assert await house.registry.get("general") == before


async def test_agent_is_made_once_and_with_a_known_model(house: House) -> None:
    with pytest.raises(Conflict) as refusal:
        await house.registry.create(agent("clock"))
    assert refusal.value.code == "agent_exists"
    with pytest.raises(Invalid) as unknown:
        await house.registry.create(AgentSpec.model_validate({**agent("poet").model_dump(), "model": "slow"}))
    assert (unknown.value.code, unknown.value.pointer) == ("unknown_model", "/model")
    assert "fast" in str(unknown.value)


async def test_agent_has_at_least_one_model(house: House) -> None:
    with pytest.raises(Invalid) as refusal:
        await house.registry.update("general", {"model": []})
    assert refusal.value.code == "agent_invalid"


async def test_agent_nobody_made_is_not_there(house: House) -> None:
    with pytest.raises(NotFound):
        await house.registry.get("nobody")
    with pytest.raises(NotFound):
        await house.registry.update("nobody", {"name": "Somebody"})
    assert house.registry.find("nobody") is None


async def test_running_run_outlives_the_change_of_its_agent(house: House, scripted_model: ScriptedModel) -> None:
    scripted_model.when(says("hello"), Replies.text("one ", "two").stalled(after=1))
    run = await ask(house, "hello")
    await read_until(house, run.id, "model.delta")
    for number in range(10):
        await house.registry.update("general", {"name": f"General {number}"})
        await house.registry.present()
    await house.engine.cancel("ada", run.id)
    assert (await final(house, run)).status == "cancelled"


async def test_deleted_agent_is_gone_and_its_versions_stay(house: House) -> None:
    await house.registry.update("clock", {"name": "Better clock"})
    await house.registry.delete("clock")
    assert house.registry.find("clock") is None
    assert "clock" not in (await house.registry.present()).agents
    with pytest.raises(NotFound):
        await house.registry.get("clock")
    with pytest.raises(Invalid) as refusal:
        await ask(house, "time", agent_id="clock")
    assert refusal.value.code == "unknown_agent"
    versions = (await house.registry.versions("clock", PageQuery())).data
    assert [(each.version, each.agent.name, each.deleted_at is None) for each in versions] == [
        (2, "Better clock", False),
        (1, "Clock", True),
    ]


async def test_agent_made_again_goes_on_counting_its_versions(house: House) -> None:
    await house.registry.delete("clock")
    deleted = (await house.registry.present()).revision
    made = await house.registry.create(agent("clock"))
    await house.registry.delete("clock")
    again = await house.registry.create(agent("clock"))
    assert (made.version, again.version) == (2, 3)
    assert "clock" not in (await house.registry.edition(deleted)).agents
    page = await house.registry.versions("clock", PageQuery(limit=2))
    assert [each.version for each in page.data] == [3, 2]
    older = await house.registry.versions("clock", PageQuery(limit=2, after=page.last_id))
    assert ([each.version for each in older.data], page.has_more, older.has_more) == ([1], True, False)


@pytest.mark.parametrize("needed", ["router", "general"])
async def test_needed_agent_stays(house: House, needed: str) -> None:
    with pytest.raises(Conflict) as refusal:
        await house.registry.delete(needed)
    assert refusal.value.code == "agent_needed"


async def test_rollback_makes_a_new_version_of_an_old_one(house: House) -> None:
    first = await house.registry.get("clock")
    await house.registry.update("clock", {"name": "Worse clock"})
    back = await house.registry.rollback("clock", 1)
    assert back == first.model_copy(update={"version": 3})
    assert house.registry.find("clock") == back
    await house.registry.delete("clock")
    assert (await house.registry.rollback("clock", 2)).name == "Worse clock"
    assert (await house.registry.present()).agents["clock"].version == 4
    with pytest.raises(NotFound):
        await house.registry.rollback("clock", 9)


async def test_change_that_another_has_overtaken_is_refused(house: House) -> None:
    await house.registry.update("clock", {"name": "One", "version": 1})
    overtaken = [
        house.registry.update("clock", {"name": "Two", "version": 1}),
        house.registry.update("clock", {"name": "Two"}, version=1),
        house.registry.rollback("clock", 1, seen=1),
        house.registry.delete("clock", version=1),
    ]
    for change in overtaken:
        with pytest.raises(Conflict) as refusal:
            await change
        assert refusal.value.code == "agent_changed"
    assert (await house.registry.get("clock")).name == "One"


async def test_run_keeps_its_deleted_agent_also_over_a_restart(site: Site, scripted_model: ScriptedModel) -> None:
    scripted_model.when(
        prompted("you are clock"), Replies.text("1 ", "2").stalled(after=1), Replies.text("It is noon.")
    )
    async with site.house() as house:
        run = await ask(house, "time", agent_id="clock")
        await read_until(house, run.id, "model.delta")
        await house.registry.delete("clock")
    async with site.house() as house:
        assert (await final(house, run)).status == "completed"
        assert house.registry.find("clock") is None
        kept = house.registry.find_last("clock")
        assert kept is not None
        assert kept.allowed_tools == ["time__*"]
