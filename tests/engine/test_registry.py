"""The registry: seeded once, changed live, and every revision can be had again."""

import pytest
from pydantic import JsonValue
from structlog.testing import capture_logs

from config.agents import AgentSpec
from server.errors import ApiError, Conflict, Invalid, NotFound
from server.resources import PageQuery
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
        ({"version": 9}, "agent_invalid", "/version"),
        ({"id": "other"}, "agent_invalid", "/id"),
        ({"enabled": False}, "agent_needed", None),
        ({"enabled": "no"}, "agent_needed", None),
        ({"enabled": 0}, "agent_needed", None),
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


async def test_policy_that_nothing_keeps_yet_is_said_aloud(house: House) -> None:
    with capture_logs() as said:
        await house.registry.update("general", {"policies": {"sql": {"tables": []}, "limits": {"steps": 3}}})
    assert [(line["agent"], line["policy"]) for line in said if "policy" in line] == [("general", "sql.tables")]


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
