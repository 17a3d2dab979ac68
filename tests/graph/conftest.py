"""A stage for runs: agents, a real model client on a scripted server, and runners over any checkpointer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver

from config.agents import AgentPolicies, AgentSpec, Limits
from config.ids import new_id
from config.prompts import load_prompt
from config.settings import Settings
from graph.runner import GraphRunner, RunInput
from mcp_config.tools import JsonObject, ToolBox
from nodes.models.port import ChatModel
from nodes.models.providers.openai_models import build_openai
from tests.graph.workbench import Keeper
from tests.support.scripted_model import Replies, Reply, ScriptedModel, ScriptedRequest


def agent(agent_id: str, *tools: str, limits: Limits | None = None, prompt: str = "") -> AgentSpec:
    return AgentSpec(
        id=agent_id,
        name=agent_id.title(),
        role="router" if agent_id == "router" else "specialist",
        description=f"Does the work of {agent_id}.",
        system_prompt=prompt or f"You are {agent_id}.",
        allowed_tools=list(tools),
        policies=AgentPolicies(limits=limits or Limits()),
    )


def plan(*steps: JsonObject) -> Reply:
    """A router's plan: a lone step is just its agent, one of several is `{agent, task, depends_on}`."""
    lone = len(steps) == 1
    return Replies.json({"steps": [step if lone else {"depends_on": [], **step} for step in steps]})


def synthesizes(request: ScriptedRequest) -> bool:
    """Matches the request for the answer from several steps."""
    return load_prompt("synthesis") in request.system


@dataclass
class OneModel:
    """A catalog in which every agent has the same model."""

    model: ChatModel

    def sees(self, agent: AgentSpec) -> bool:
        return False

    def for_agent(self, agent: AgentSpec, *, images: bool = False) -> ChatModel:
        return self.model


@dataclass
class Stage:
    models: OneModel
    script: ScriptedModel
    agents: Mapping[str, AgentSpec] = field(default_factory=dict)

    def cast(self, *agents: AgentSpec) -> None:
        self.agents = {each.id: each for each in (agent("router"), *agents)}

    def runner(self, tools: ToolBox, checkpointer: BaseCheckpointSaver[str] | None = None) -> GraphRunner:
        return GraphRunner(self.agents, self.models, tools, checkpointer)

    def keeper(self, question: str, agent_id: str = "router", before: tuple[AnyMessage, ...] = ()) -> Keeper:
        return Keeper(
            RunInput(
                run_id=new_id("run"),
                conversation_id=new_id("conv"),
                agent_id=agent_id,
                messages=[*before, HumanMessage(question)],
                owner="tester",
            )
        )


@pytest.fixture
async def stage(scripted_model: ScriptedModel, tmp_path: Path) -> AsyncIterator[Stage]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        model_provider="openai",
        openai_api_key="sk-test",
        openai_base_url=scripted_model.base_url,
    )
    async with AsyncExitStack() as closing:
        stage = Stage(OneModel(build_openai(settings, "scripted", closing)), scripted_model)
        stage.cast(agent("general"), agent("clock", "time__*"), agent("sql", "sql__*"))
        yield stage
