"""The official `openai` SDK and LangChain's `ChatOpenAI`, as people point them at the server."""

import asyncio

import openai as sdk
import pytest
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import SecretStr

from tests.http.serving import USER_KEY, Served
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans_for, says

pytestmark = pytest.mark.asyncio(loop_scope="session")

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def asks(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


async def test_the_agents_are_the_models(openai: AsyncOpenAI) -> None:
    listed = [model async for model in openai.models.list()]
    assert [model.id for model in listed] == [
        "open-agent",
        "devops-agent",
        "docs-agent",
        "general",
        "sql-agent",
        "tool-agent",
    ]
    assert {model.object for model in listed} == {"model"}
    assert all(model.created > 1_700_000_000 for model in listed)
    assert await openai.models.retrieve("sql-agent") == listed[4]


@pytest.mark.parametrize("name", ["gpt-4o", "router", "no such", "a/b"])
async def test_a_model_that_is_not_there_is_not_found(openai: AsyncOpenAI, name: str) -> None:
    with pytest.raises(sdk.NotFoundError) as refused:
        await openai.chat.completions.create(model=name, messages=asks("hello?"))
    assert (refused.value.code, refused.value.type) == ("model_not_found", "invalid_request_error")
    with pytest.raises(sdk.NotFoundError):
        await openai.models.retrieve(name)


async def test_the_router_plans_and_the_answer_comes_whole(model: ScriptedModel, openai: AsyncOpenAI) -> None:
    model.when(plans_for("what is 6*7, sdk"), Replies.plan([{"agent": "tool-agent", "task": "compute 6*7"}]))
    model.when(has_result("42"), Replies.text("It is ", "42.").costing(7, 3))
    model.when(says("what is 6*7, sdk"), Replies.tool("calculator__calculate", {"expression": "6*7"}).costing(5, 2))
    answer = await openai.chat.completions.create(model="open-agent", messages=asks("what is 6*7, sdk"))
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "It is 42.", "stop")
    assert choice.message.tool_calls is None
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert (answer.object, answer.model) == ("chat.completion", "open-agent")


async def test_the_answer_is_streamed_word_by_word(model: ScriptedModel, openai: AsyncOpenAI) -> None:
    gate = asyncio.Event()
    model.when(says("stream, sdk"), Replies.text("one ", "two").held(gate, after=1).costing(11, 2))
    stream = await openai.chat.completions.create(
        model="general", messages=asks("stream, sdk"), stream=True, stream_options={"include_usage": True}
    )
    words: list[str] = []
    async for chunk in stream:
        words += [choice.delta.content or "" for choice in chunk.choices]
        if "one " in words:
            gate.set()
    assert "".join(words) == "one two"
    assert chunk.usage is not None
    assert (chunk.choices, chunk.usage.prompt_tokens, chunk.usage.completion_tokens) == ([], 11, 2)


async def test_a_picture_reaches_the_model(model: ScriptedModel, openai: AsyncOpenAI) -> None:
    model.when(says("what is shown, sdk"), Replies.text("A pixel."))
    url = f"data:image/png;base64,{PIXEL}"
    parts: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is shown, sdk"},
                {"type": "image_url", "image_url": {"url": url}},
            ],
        }
    ]
    answer = await openai.chat.completions.create(model="general", messages=parts)
    assert answer.choices[0].message.content == "A pixel."
    request = await model.requested(says("what is shown, sdk"))
    content = request.messages[-1]["content"]
    assert [part["image_url"]["url"] for part in content if part["type"] == "image_url"] == [url]


async def test_what_the_client_offers_as_tools_is_not_the_agents(model: ScriptedModel, openai: AsyncOpenAI) -> None:
    model.when(says("use my tool, sdk"), Replies.text("I have none."))
    tool: ChatCompletionToolParam = {"type": "function", "function": {"name": "search_chats", "parameters": {}}}
    await openai.chat.completions.create(
        model="general", messages=asks("use my tool, sdk"), tools=[tool], temperature=0.3, seed=7, n=1
    )
    assert (await model.requested(says("use my tool, sdk"))).tools == []


async def test_a_failed_run_is_told_with_its_reason_and_not_tried_again(
    model: ScriptedModel, openai: AsyncOpenAI
) -> None:
    model.when(says("break, sdk"), Replies.error(400, "no such thing"))  # a second try would be unscripted
    with pytest.raises(sdk.InternalServerError) as failed:
        await openai.chat.completions.create(model="general", messages=asks("break, sdk"))
    assert failed.value.code == "model_rejected"
    assert failed.value.type == "server_error"


async def test_a_failure_in_mid_stream_keeps_the_words_before_it(model: ScriptedModel, openai: AsyncOpenAI) -> None:
    model.always(says("break later, sdk"), Replies.text("Well, ", "then").reset(after=1))
    stream = await openai.chat.completions.create(model="general", messages=asks("break later, sdk"), stream=True)
    words: list[str] = []
    with pytest.raises(sdk.APIError) as failed:
        async for chunk in stream:
            words += [chunk.choices[0].delta.content or ""]
    assert "".join(words).startswith("Well, ")
    assert failed.value.code == "model_unavailable"


async def test_a_wrong_key_is_openais_own_error(served: Served) -> None:
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-wrong") as stranger:
        with pytest.raises(sdk.AuthenticationError) as refused:
            await stranger.models.list()
    assert refused.value.code == "invalid_api_key"


async def test_langchain_speaks_to_it(model: ScriptedModel, served: Served) -> None:
    model.when(says("hello from langchain"), Replies.text("Hello, ", "chain."))
    model.when(says("stream to langchain"), Replies.text("a", "b", "c"))
    chat = ChatOpenAI(
        model="general", base_url=f"{served.url}/v1", api_key=SecretStr(USER_KEY), use_responses_api=False
    )
    answer = await chat.ainvoke([("system", "Be brief."), ("human", "hello from langchain")])
    assert (answer.text, answer.usage_metadata is not None) == ("Hello, chain.", True)
    assert "".join([chunk.text async for chunk in chat.astream("stream to langchain")]) == "abc"
    assert "Be brief." in (await model.requested(says("hello from langchain"))).system
