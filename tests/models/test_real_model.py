"""The real embedded model in the real engine. Run by `make test-model`; fetches the weights if they are not there."""

import json
from collections.abc import AsyncIterator

import pytest
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage, ToolMessage

from config.settings import load_settings
from mcp_config.tools import JsonObject
from nodes.models.catalog import open_models
from nodes.models.port import ChatModel
from tests.models.chats import agents_file, general, hear, tool

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(1800)]

CLOCK = tool(
    "time__get_current_time",
    {"timezone": {"type": "string", "description": "IANA timezone name, such as Europe/London"}},
    "Get the current time in a specific timezone.",
)
FILES = tool("docs__read_file", {"path": {"type": "string"}}, "Reads one of the project's documents.")
CLERK = SystemMessage("You answer with the help of tools, in one sentence, with their exact values.")


@pytest.fixture
async def model() -> AsyncIterator[ChatModel]:
    agents = agents_file(model="embedded:qwen2.5-coder-1.5b")
    async with open_models(load_settings(None), agents) as models:
        yield general(models)


async def test_it_chats_plans_and_uses_tools(model: ChatModel) -> None:
    """One test, because each start of the engine takes its time."""
    await _chats(model)
    await _plans(model)
    await _uses_a_tool_and_its_result(model)
    await _keeps_a_path_relative(model)
    await _answers_without_a_tool(model)


async def _chats(model: ChatModel) -> None:
    heard = await hear(model, [HumanMessage("What is the capital of France? One word.")])
    assert "Paris" in heard.reply.message.text
    assert "".join(heard.text) == heard.reply.message.text
    assert heard.reply.usage.input_tokens > 0 < heard.reply.usage.output_tokens


async def _plans(model: ChatModel) -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"agent": {"enum": ["sql-agent", "weather-agent"]}},
        "required": ["agent"],
        "additionalProperties": False,
    }
    asked = [HumanMessage("Which agent answers 'how many orders are in the database'? Reply in JSON.")]
    assert (await model.structured(asked, "plan", schema)).value == {"agent": "sql-agent"}


async def _uses_a_tool_and_its_result(model: ChatModel) -> None:
    asked: list[AnyMessage] = [CLERK, HumanMessage("What time is it in Tokyo right now?")]
    message = (await hear(model, asked, [CLOCK, FILES])).reply.message
    (call,) = message.tool_calls
    assert (call["name"], call["args"]) == ("time__get_current_time", {"timezone": "Asia/Tokyo"})
    result = json.dumps({"timezone": "Asia/Tokyo", "datetime": "2026-11-23T09:41:07+09:00", "day_of_week": "Monday"})
    told = [*asked, message, ToolMessage(result, tool_call_id=call["id"], name=call["name"])]
    heard = await hear(model, told, [CLOCK, FILES])
    assert "9:41" in heard.reply.message.text
    assert "".join(heard.text) == heard.reply.message.text


async def _keeps_a_path_relative(model: ChatModel) -> None:
    asked: list[AnyMessage] = [CLERK, HumanMessage("What does docs/adr/0001-layout.md say?")]
    (call,) = (await hear(model, asked, [CLOCK, FILES])).reply.message.tool_calls
    assert (call["name"], call["args"]) == ("docs__read_file", {"path": "docs/adr/0001-layout.md"})


async def _answers_without_a_tool(model: ChatModel) -> None:
    message = (await hear(model, [CLERK, HumanMessage("Thank you very much!")], [CLOCK, FILES])).reply.message
    assert message.tool_calls == []
    assert message.text
