"""The router node, with a real OpenAI client on a scripted server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.runtime import Runtime
from pydantic import JsonValue

from config.agents import AgentSpec
from config.ids import derive_id, new_id
from config.settings import Settings
from nodes.context import RunContext
from nodes.facts import Fact, PlanMade, StepBroken, StepDone, StepOpened
from nodes.models.port import ChatModel, ModelError, Usage
from nodes.models.providers.openai_models import build_openai
from nodes.router import router
from nodes.state import PlanStep, RunState, StepResult
from tests.nodes.crew import NoTools, crew
from tests.support.scripted_model import Replies, ScriptedModel, plans

LONE: JsonValue = {"steps": [{"agent": "tool-agent"}]}


@dataclass
class OneModel:
    model: ChatModel

    def sees(self, agent: AgentSpec) -> bool:
        return False

    def for_agent(self, agent: AgentSpec, *, images: bool = False) -> ChatModel:
        return self.model


@dataclass
class Desk:
    """Where a router is put to work: what it said is in `facts`."""

    models: OneModel
    script: ScriptedModel
    agents: dict[str, AgentSpec] = field(default_factory=crew)
    run_id: str = field(default_factory=lambda: new_id("run"))
    facts: list[Fact] = field(default_factory=list)

    async def plan(self, *messages: AnyMessage, results: tuple[StepResult, ...] = ()) -> list[PlanStep]:
        context = RunContext(self.run_id, "tester", self.agents, self.models, NoTools())
        runtime = Runtime(context=context, stream_writer=self.facts.append)
        state = RunState(messages=list(messages), agent_id="router", results=list(results))
        return (await router(state, runtime))["plan"]

    def asked(self, number: int = -1) -> str:
        return self.script.requests[number].last_user


@pytest.fixture
async def desk(scripted_model: ScriptedModel, tmp_path: Path) -> AsyncIterator[Desk]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        model_provider="openai",
        openai_api_key="sk-test",
        openai_base_url=scripted_model.base_url,
    )
    async with AsyncExitStack() as closing:
        yield Desk(OneModel(build_openai(settings, "scripted", closing)), scripted_model)


async def test_lone_step_has_the_users_own_words_as_its_task(desk: Desk) -> None:
    desk.script.when(plans, Replies.json(LONE))

    (step,) = await desk.plan(HumanMessage("What time is it in Tokyo?"))

    assert step == PlanStep(id=step["id"], agent="tool-agent", task="What time is it in Tokyo?", depends_on=[])
    assert step["id"].startswith("step_")


async def test_numbers_of_earlier_steps_become_their_ids(desk: Desk) -> None:
    found = {"agent": "sql-agent", "task": "find"}
    desk.script.when(plans, Replies.plan([found, {"agent": "general", "task": "tell", "depends_on": [1, 1]}]))

    first, second = await desk.plan(HumanMessage("find it, then tell me"))

    assert (first["agent"], first["task"], first["depends_on"]) == ("sql-agent", "find", [])
    assert (second["agent"], second["task"], second["depends_on"]) == ("general", "tell", [first["id"]])


async def test_planning_is_a_step_that_says_what_it_took(desk: Desk) -> None:
    desk.script.when(plans, Replies.json(LONE).costing(900, 9))

    plan = await desk.plan(HumanMessage("time?"))

    step_id = derive_id("step", desk.run_id, "plan")
    assert desk.facts == [
        StepOpened(step_id, "plan", "router", "time?"),
        PlanMade(step_id, plan),
        StepDone(step_id, "1. tool-agent: time?", Usage(900, 9)),
    ]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ({"steps": [{"agent": "nobody"}]}, "nobody"),
        ({"steps": []}, "steps"),
        ({"answer": "It is noon."}, "steps"),
        ({"steps": [{"agent": "general", "task": " ", "depends_on": []}] * 2}, "step 1 has no task"),
        (
            {
                "steps": [
                    {"agent": "general", "task": "a", "depends_on": [2]},
                    {"agent": "general", "task": "b", "depends_on": [1]},
                ]
            },
            "step 1 depends on 2",
        ),
    ],
)
async def test_bad_plan_is_repaired_once_with_what_was_wrong(desk: Desk, bad: JsonValue, complaint: str) -> None:
    desk.script.when(plans, Replies.json(bad), Replies.json(LONE))

    (step,) = await desk.plan(HumanMessage("time?"))

    assert step["agent"] == "tool-agent"
    assert complaint in desk.asked()
    assert "general, sql-agent, tool-agent" in desk.asked()
    assert len(desk.script.requests) == 2


async def test_plan_that_stays_bad_ends_with_general_and_the_users_words(desk: Desk) -> None:
    desk.script.when(plans, Replies.text("Noon."), Replies.json({"steps": [{"agent": "nobody"}]}))

    (step,) = await desk.plan(HumanMessage("time?"))

    assert (step["agent"], step["task"]) == ("general", "time?")
    assert len(desk.script.requests) == 2


async def test_without_general_the_first_specialist_stands_in(desk: Desk) -> None:
    desk.agents = crew("tool-agent", "sql-agent")
    desk.script.when(plans, Replies.text("?"), Replies.text("?"))

    (step,) = await desk.plan(HumanMessage("time?"))

    assert step["agent"] == "sql-agent"


async def test_without_any_specialist_the_run_fails_with_a_reason(desk: Desk) -> None:
    desk.agents = crew("general", disabled=("general",))

    with pytest.raises(ModelError, match="no specialist agent is enabled"):
        await desk.plan(HumanMessage("hello"))

    assert [fact.code for fact in desk.facts if isinstance(fact, StepBroken)] == ["no_agents"]


async def test_model_that_cannot_be_asked_breaks_the_step(desk: Desk) -> None:
    desk.script.when(plans, Replies.error(400, "no such model"))

    with pytest.raises(ModelError):
        await desk.plan(HumanMessage("hello"))

    assert isinstance(desk.facts[-1], StepBroken)
    assert len(desk.script.requests) == 1, "a refusal is no bad plan: asking again would not help"


async def test_follow_up_is_asked_with_the_turns_before_it_in_view(desk: Desk) -> None:
    desk.script.when(plans, Replies.json(LONE))
    turns: list[AnyMessage] = [
        HumanMessage("Forget this."),
        AIMessage("Done."),
        HumanMessage("Time in Tokyo?"),
        AIMessage("It is noon."),
    ]

    (step,) = await desk.plan(HumanMessage("Very old."), *turns, HumanMessage("and in Berlin?"))

    assert step["task"] == "and in Berlin?"
    assert "Time in Tokyo?" in desk.asked()
    assert desk.asked().endswith("New message: and in Berlin?")
    assert "Very old." not in desk.asked()


async def test_new_plan_after_a_failure_is_asked_with_what_the_first_one_brought(desk: Desk) -> None:
    desk.script.when(plans, Replies.json(LONE))
    failed = StepResult(
        step_id=new_id("step"), agent="sql-agent", task="count", status="failed", output="no such table", code="x"
    )

    await desk.plan(HumanMessage("how many?"), results=(failed,))

    assert "sql-agent failed: count: no such table" in desk.asked()
    assert "how many?" in desk.asked()
    assert desk.facts[0] == StepOpened(derive_id("step", desk.run_id, "replan"), "plan", "router", "how many?")


async def test_only_enabled_specialists_can_be_planned(desk: Desk) -> None:
    desk.agents = crew("general", "tool-agent", "sql-agent", disabled=("sql-agent",))
    desk.script.when(plans, Replies.json(LONE))

    await desk.plan(HumanMessage("time?"))

    schema = desk.script.requests[0].body["response_format"]["json_schema"]["schema"]
    bare = schema["properties"]["steps"]["anyOf"][0]["items"]
    assert bare["properties"]["agent"]["enum"] == ["general", "tool-agent"]
    assert "sql-agent" not in str(desk.script.requests[0].messages)
