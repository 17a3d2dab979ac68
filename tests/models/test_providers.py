"""Every provider keeps the contract of `ChatModel`, seen through its real LangChain client over loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from config.settings import ModelProvider, Settings, load_settings
from mcp_config.tools import JsonObject
from nodes.models.catalog import Models, open_models
from nodes.models.endpoint import Deadlines
from nodes.models.port import ChatModel, ModelError, StructuredReply, TextDelta, Usage
from nodes.models.providers.embedded_client import build_embedded_client
from tests.models.chats import GREETING, KEY, agents_file, fail, general, hear, opened, tool
from tests.support.scripted_model import Replies, Reply, ScriptedModel, says
from tests.support.waiting import PATIENCE

PROVIDERS: list[ModelProvider] = ["openai", "azure", "ollama"]
CITY: JsonObject = {"city": {"type": "string"}}
PLAN_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"agent": {"enum": ["sql", "docs"]}},
    "required": ["agent"],
    "additionalProperties": False,
}


def _settings(url: str) -> Settings:
    return load_settings(None, model_provider="ollama", ollama_base_url=url, default_model="m1")


@pytest.fixture(params=PROVIDERS)
async def models(request: pytest.FixtureRequest, scripted_model: ScriptedModel) -> AsyncIterator[Models]:
    async with opened(scripted_model, request.param) as models:
        yield models


@pytest.fixture
def model(models: Models) -> ChatModel:
    return general(models)


async def test_text_comes_as_it_is_made_then_the_whole_reply(model: ChatModel, scripted_model: ScriptedModel) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("hello"), Replies.text("Hi ", "there").costing(7, 2).held(gate, after=1))
    stream = model.stream(GREETING)
    assert await asyncio.wait_for(anext(aiter(stream)), PATIENCE) == TextDelta("Hi ")
    gate.set()
    items = [item async for item in stream]
    assert items[0] == TextDelta("there")
    assert [type(item).__name__ for item in items] == ["TextDelta", "ModelReply"]


async def test_reply_holds_text_and_usage(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("Hi ", "there").costing(7, 2))
    heard = await hear(model)
    assert (heard.text, heard.reply.message.text, heard.reply.usage) == (["Hi ", "there"], "Hi there", Usage(7, 2))


async def test_tool_calls_are_offered_and_parsed(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.tools(("geo__find", {"city": "Bern"}), ("geo__find", {"city": "Köln"})))
    heard = await hear(model, GREETING, [tool("geo__find", CITY)])
    assert scripted_model.requests[0].tools == ["geo__find"]
    calls = heard.reply.message.tool_calls
    assert [(call["name"], call["args"]) for call in calls] == [
        ("geo__find", {"city": "Bern"}),
        ("geo__find", {"city": "Köln"}),
    ]
    assert len({call["id"] for call in calls}) == 2
    assert heard.text == []


async def test_results_of_tools_are_sent_back(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.tool("geo__find", {"city": "Bern"}), Replies.text("found"))
    asked = await hear(model, GREETING, [tool("geo__find", CITY)])
    call = asked.reply.message.tool_calls[0]
    result = ToolMessage("46.9 N", tool_call_id=call["id"], name="geo__find")
    await hear(model, [*GREETING, asked.reply.message, result], [tool("geo__find", CITY)])
    assert scripted_model.requests[1].tool_results == ["46.9 N"]


async def test_structured_reply_is_constrained_and_checked(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.json({"agent": "sql"}).costing(9, 4))
    assert await model.structured(GREETING, "plan", PLAN_SCHEMA) == StructuredReply({"agent": "sql"}, Usage(9, 4))
    assert scripted_model.requests[0].schema_name in ("plan", "format")


@pytest.mark.parametrize("reply", [Replies.json({"agent": "boss"}), Replies.text("well, sql"), Replies.json([1])])
async def test_structured_reply_that_does_not_fit_is_an_error(
    model: ChatModel, scripted_model: ScriptedModel, reply: Reply
) -> None:
    scripted_model.answer(reply)
    with pytest.raises(ModelError, match="plan") as caught:
        await model.structured(GREETING, "plan", PLAN_SCHEMA)
    assert caught.value.code == "model_bad_output"


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (Replies.error(401, "bad key"), "model_auth", "refused by http://127.0.0.1"),
        (Replies.error(403, "no"), "model_auth", "refused by"),
        (Replies.error(404, "model not found"), "model_rejected", "does not know"),
        (Replies.error(400, "bad request"), "model_rejected", "bad request"),
        (Replies.error(429, "slow down", {"retry-after": "1"}), "model_unavailable", "slow down"),
        (Replies.error(500, "boom"), "model_unavailable", "failed"),
        (Replies.error(400, "maximum context length is 10 tokens"), "model_rejected", "prompt is longer"),
        (Replies.text("a", "b").reset(), "model_unavailable", "no answer from"),
        (Replies.text("a", "b").garbled(), "model_bad_output", "cannot be read"),
    ],
)
async def test_failures_say_what_to_do(
    model: ChatModel, scripted_model: ScriptedModel, reply: Reply, code: str, words: str
) -> None:
    scripted_model.answer(reply)
    error = await fail(model)
    assert (error.code, words in str(error)) == (code, True), str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("provider", ["openai", "azure"])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_key_is_never_quoted(scripted_model: ScriptedModel, provider: ModelProvider, status: int) -> None:
    scripted_model.answer(Replies.error(status, f"your key {KEY} is\nnot good"))
    async with opened(scripted_model, provider) as models:
        error = await fail(general(models))
    assert KEY not in str(error)
    assert "\n" not in str(error)


@pytest.mark.slow
async def test_nobody_listening_says_which_setting_to_look_at(unused_tcp_port: int) -> None:
    async with open_models(_settings(f"http://127.0.0.1:{unused_tcp_port}"), agents_file()) as models:
        error = await fail(general(models))
    assert (error.code, str(error)) == (
        "model_unavailable",
        f"no answer from http://127.0.0.1:{unused_tcp_port}: is it running? set OLLAMA_BASE_URL if it is elsewhere",
    )


async def test_missing_ollama_model_says_what_to_pull(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.error(404, 'model "m1" not found, try pulling it first'))
    async with opened(scripted_model, "ollama") as models:
        assert "ollama pull m1" in str(await fail(general(models)))


async def test_arguments_that_are_no_json_are_kept_for_the_model_to_mend(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.bad_arguments("geo__find", '{"city": '))
    async with opened(scripted_model, "openai") as models:
        message = (await hear(general(models), GREETING, [tool("geo__find", CITY)])).reply.message
    assert message.tool_calls == []
    (call,) = message.invalid_tool_calls
    assert (call["name"], call["args"], bool(call["id"])) == ("geo__find", '{"city": ', True)
    assert "not valid JSON" in (call["error"] or "")


async def test_thoughts_have_a_channel_of_their_own(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("42").thinking("6 times ", "7"))
    async with opened(scripted_model, "openai") as models:
        heard = await hear(general(models))
    assert heard.deltas == [TextDelta("6 times ", "reasoning"), TextDelta("7", "reasoning"), TextDelta("42")]
    assert heard.reply.message.text == "42"


async def test_ollama_is_asked_for_the_context_we_count_on(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("ok"))
    async with opened(scripted_model, "ollama") as models:
        model = general(models)
        await hear(model)
    assert scripted_model.requests[0].body["options"]["num_ctx"] == model.context_tokens


async def test_stream_that_stops_without_an_end_is_an_error(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("Hi ", "there").unfinished())
    assert "broke off" in str(await fail(model))


async def test_break_in_mid_stream_comes_after_the_text_before_it(
    model: ChatModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.answer(Replies.text("a", "b").reset(after=1))
    stream = model.stream(GREETING)
    assert await anext(aiter(stream)) == TextDelta("a")
    with pytest.raises(ModelError) as caught:
        await anext(aiter(stream))
    assert caught.value.code == "model_unavailable"


async def test_cancelling_the_task_ends_the_request(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("a", "b").stalled(after=1))
    asking = asyncio.create_task(hear(model))
    request = await scripted_model.requested()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(request.gone.wait(), PATIENCE)


async def test_closing_the_stream_ends_the_request(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("a", "b").stalled(after=1))
    stream = model.stream(GREETING)
    async for _ in stream:
        break
    await stream.aclose()
    await asyncio.wait_for(scripted_model.requests[0].gone.wait(), PATIENCE)


async def test_long_silence_is_a_timeout(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("a", "b").stalled(after=1))
    async with AsyncExitStack() as closing:
        deadlines = Deadlines(first_token=5, next_token=0.2)
        error = await fail(build_embedded_client(scripted_model.url, closing, deadlines))
    assert (error.code, "took too long" in str(error)) == ("model_timeout", True)
    await asyncio.wait_for(scripted_model.requests[0].gone.wait(), PATIENCE)


async def test_conversations_keep_their_roles(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("ok"))
    await hear(model, [HumanMessage("one"), AIMessage("two"), HumanMessage("three")])
    roles = [message["role"] for message in scripted_model.requests[0].messages]
    assert roles == ["user", "assistant", "user"]
