"""A model without tools of its own, given some: through the engine's real client, against a scripted engine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import jsonschema
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from mcp_config.tools import JsonObject
from nodes.models.port import ModelError, ModelReply, TextDelta, Usage
from nodes.models.providers.embedded_client import build_embedded_client
from nodes.models.schema_tools import SchemaToolsModel
from tests.models.chats import GREETING, general, hear, opened, tool
from tests.support.scripted_model import Replies, ScriptedModel, anything
from tests.support.waiting import PATIENCE

CLOCK = tool("time__now", {"zone": {"type": "string", "description": "IANA name"}}, "Tells the time.")
SHELL = tool("ops__top", description="Lists processes.")


@pytest.fixture
async def model(scripted_model: ScriptedModel) -> AsyncIterator[SchemaToolsModel]:
    async with AsyncExitStack() as closing:
        yield SchemaToolsModel(build_embedded_client(scripted_model.url, closing))


def _schema(scripted: ScriptedModel) -> JsonObject:
    schema: JsonObject = scripted.requests[-1].body["response_format"]["json_schema"]["schema"]
    return schema


async def test_chosen_tool_becomes_a_tool_call(model: SchemaToolsModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.json({"tool": "time__now", "arguments": {"zone": "Asia/Tokyo"}}).costing(8, 3))
    heard = await hear(model, GREETING, [CLOCK, SHELL])
    (call,) = heard.reply.message.tool_calls
    assert (call["name"], call["args"]) == ("time__now", {"zone": "Asia/Tokyo"})
    assert (heard.text, heard.reply.message.text, heard.reply.usage) == ([], "", Usage(8, 3))


async def test_answer_streams_while_its_json_is_written(model: SchemaToolsModel, scripted_model: ScriptedModel) -> None:
    gate = asyncio.Event()
    scripted_model.answer(Replies.text('{"answer": "It is ', "no", 'on."', "}").held(gate, after=1))
    stream = model.stream(GREETING, [CLOCK])
    assert await asyncio.wait_for(anext(stream), PATIENCE) == TextDelta("It is ")
    gate.set()
    rest = [item async for item in stream]
    assert rest[:-1] == [TextDelta("no"), TextDelta("on.")]
    assert isinstance(rest[-1], ModelReply)
    assert rest[-1].message.text == "It is noon."


async def test_reply_can_only_be_an_offered_tool_or_an_answer(
    model: SchemaToolsModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.answer(Replies.json({"answer": "ok"}))
    await hear(model, GREETING, [CLOCK, SHELL])
    schema = _schema(scripted_model)
    for fits in ({"tool": "time__now", "arguments": {"zone": "x"}}, {"tool": "ops__top", "arguments": {}}):
        jsonschema.validate(fits, schema)
    for odd in ({"tool": "rm__all", "arguments": {}}, {"tool": "time__now", "arguments": {}}, {"answer": 1}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(odd, schema)
    assert scripted_model.requests[0].tools == []


async def test_no_answer_is_possible_before_a_harmless_tool_has_given_a_result(
    model: SchemaToolsModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.always(anything, Replies.json({"tool": "time__now", "arguments": {"zone": "x"}}))
    harmless = replace(CLOCK, repeatable=True)
    called = AIMessage("", tool_calls=[ToolCall(name=CLOCK.name, args={"zone": "x"}, id="call_1")])
    result = ToolMessage("noon", tool_call_id="call_1", name=CLOCK.name)
    for said, tools, may_answer in (
        (GREETING, [harmless], False),
        ([*GREETING, called, result], [harmless], True),
        ([*GREETING, called, result, HumanMessage("and now?")], [harmless], False),
        (GREETING, [harmless, SHELL], True),
    ):
        await hear(model, said, tools)
        assert jsonschema.Draft202012Validator(_schema(scripted_model)).is_valid({"answer": "ok"}) == may_answer


async def test_prompt_names_tools_and_arguments_before_the_agents_own_words(
    model: SchemaToolsModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.answer(Replies.json({"answer": "ok"}))
    await hear(model, [SystemMessage("You are kind."), *GREETING], [CLOCK, SHELL])
    (system,) = [message["content"] for message in scripted_model.requests[0].messages if message["role"] == "system"]
    assert "- time__now(zone: string (IANA name)): Tells the time.\n- ops__top(): Lists processes." in system
    assert system.endswith("You are kind.")


async def test_earlier_calls_and_results_are_told_in_the_same_json(
    model: SchemaToolsModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.answer(Replies.json({"answer": "noon"}))
    call = {"type": "tool_call", "id": "c1", "name": "time__now", "args": {"zone": "Asia/Tokyo"}}
    asked = AIMessage("", tool_calls=[call])
    result = ToolMessage("12:00", tool_call_id="c1", name="time__now")
    await hear(model, [HumanMessage("hi"), AIMessage("Hello!"), HumanMessage("time?"), asked, result], [CLOCK])
    told = [(message["role"], message["content"]) for message in scripted_model.requests[0].messages[1:]]
    assert told == [
        ("user", "hi"),
        ("assistant", '{"answer": "Hello!"}'),
        ("user", "time?"),
        ("assistant", '{"tool": "time__now", "arguments": {"zone": "Asia/Tokyo"}}'),
        ("user", "Result of time__now: 12:00"),
    ]


async def test_without_tools_it_is_a_plain_chat(model: SchemaToolsModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("Hi ", "there"))
    heard = await hear(model)
    assert heard.text == ["Hi ", "there"]
    assert "response_format" not in scripted_model.requests[0].body


async def test_ollama_model_without_tools_is_given_them_by_schema(scripted_model: ScriptedModel) -> None:
    scripted_model.when(lambda request: bool(request.tools), Replies.error(400, '"m1" does not support tools'))
    scripted_model.always(anything, Replies.json({"tool": "ops__top", "arguments": {}}))
    async with opened(scripted_model, "ollama") as models:
        for _ in range(2):
            (call,) = (await hear(general(models), GREETING, [SHELL])).reply.message.tool_calls
            assert call["name"] == "ops__top"
    assert [bool(request.tools) for request in scripted_model.requests] == [True, False, False]


@pytest.mark.parametrize("cut", ['{"tool": "time__now", "argum', "", '{"tool": "time__now", "arguments": {"zone": "As'])
async def test_call_that_is_cut_short_is_an_error_not_a_call(
    model: SchemaToolsModel, scripted_model: ScriptedModel, cut: str
) -> None:
    scripted_model.answer(Replies.text(cut))
    with pytest.raises(ModelError) as caught:
        await hear(model, GREETING, [CLOCK])
    assert caught.value.code == "model_bad_output"


async def test_prompt_stays_small_with_many_tools_and_long_results(
    model: SchemaToolsModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.answer(Replies.json({"answer": "ok"}))
    tools = [tool(f"many__tool_{number}", {"path": {"type": "string"}}, "It does a lot. " * 50) for number in range(40)]
    result = ToolMessage("x" * 50_000 + "the end", tool_call_id="c1", name="many__tool_1")
    await hear(model, [*GREETING, result], tools)
    messages = scripted_model.requests[0].messages
    assert sum(len(message["content"]) for message in messages) < 4 * 2_500
    assert messages[-1]["content"].endswith("the end")
    assert "characters left out" in messages[-1]["content"]


async def test_schemas_are_reduced_to_what_every_grammar_knows(
    model: SchemaToolsModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.answer(Replies.json({"answer": "ok"}))
    odd: JsonObject = {"name": {"type": "string", "pattern": "^(?!x)", "format": "uuid", "title": "Name"}}
    await hear(model, GREETING, [tool("a__b", odd), tool("c__d", {"x": {"$ref": "#/$defs/X"}})])
    text = json.dumps(_schema(scripted_model))
    assert not any(word in text for word in ("pattern", "format", "title", "$ref"))
    assert '"arguments": {"type": "object"}' in text
