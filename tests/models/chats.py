"""What the tests of chat models share: an agents file, tools, and ways to ask."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage

from config.agents import AgentsFile, AgentSpec
from config.settings import ModelProvider, load_settings
from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.catalog import Models, open_models
from nodes.models.port import ChatModel, ModelError, ModelReply, TextDelta
from tests.support.scripted_model import ScriptedModel

KEY = "sk-very-secret"
GREETING: list[AnyMessage] = [HumanMessage("hello")]


def agents_file(models: dict[str, Any] | None = None, model: str | list[str] = "default") -> AgentsFile:
    """The smallest file: a router and a general agent that uses `model`."""
    shared: dict[str, Any] = {"name": "n", "description": "d", "system_prompt": "s"}
    router = AgentSpec(id="router", role="router", model=model, **shared)
    return AgentsFile(models=models or {}, agents=[router, AgentSpec(id="general", model=model, **shared)])


def tool(name: str, properties: JsonObject | None = None, description: str = "does it") -> ToolSpec:
    schema: JsonObject = {"type": "object", "properties": properties or {}, "required": [*(properties or {})]}
    server, _, original = name.partition("__")
    return ToolSpec(name, server, original, description, schema, schema)


@asynccontextmanager
async def opened(
    scripted: ScriptedModel, provider: ModelProvider, agents: AgentsFile | None = None, **settings: object
) -> AsyncIterator[Models]:
    """The models of a process whose providers are all the scripted server."""
    given: dict[str, object] = {
        "model_provider": provider,
        "openai_api_key": KEY,
        "openai_base_url": scripted.base_url,
        "azure_openai_api_key": KEY,
        "azure_openai_endpoint": scripted.url,
        "ollama_base_url": scripted.url,
        "model_dir": Path("/nonexistent/models"),
        "default_model": "m1",
        "model_retries": 0,
    }
    async with open_models(load_settings(None, **given | settings), agents or agents_file()) as models:
        yield models


def general(models: Models, agents: AgentsFile | None = None) -> ChatModel:
    return models.for_agent((agents or agents_file()).agents[1])


@dataclass(frozen=True)
class Heard:
    """A whole streamed reply."""

    deltas: list[TextDelta]
    reply: ModelReply

    @property
    def text(self) -> list[str]:
        return [delta.text for delta in self.deltas if delta.channel == "text"]


async def hear(model: ChatModel, messages: Sequence[AnyMessage] = GREETING, tools: Sequence[ToolSpec] = ()) -> Heard:
    items = [item async for item in model.stream(messages, tools)]
    reply = items.pop()
    assert isinstance(reply, ModelReply)
    return Heard([item for item in items if isinstance(item, TextDelta)], reply)


async def fail(model: ChatModel) -> ModelError:
    """Asks and returns the failure."""
    try:
        await hear(model)
    except ModelError as error:
        return error
    raise AssertionError("the model answered")
