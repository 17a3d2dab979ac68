"""The scripted server itself, seen by a real OpenAI client: what other tests build on."""

import asyncio

import openai
import pytest

from tests.support.scripted_model import Replies, ScriptedModel, plans, says
from tests.support.waiting import PATIENCE


def _client(model: ScriptedModel) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=model.base_url, api_key="test", max_retries=0)


async def _ask(model: ScriptedModel, text: str) -> str:
    async with _client(model) as client:
        reply = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return reply.choices[0].message.content or ""


async def test_concurrent_requests_are_answered_by_what_they_ask(scripted_model: ScriptedModel) -> None:
    gate = asyncio.Event()
    scripted_model.when(says("slow"), Replies.text("first").held(gate))
    scripted_model.when(says("quick"), Replies.text("second"))
    slow = asyncio.create_task(_ask(scripted_model, "slow one"))
    await scripted_model.requested(says("slow"))
    assert await _ask(scripted_model, "quick one") == "second"
    gate.set()
    assert await slow == "first"


async def test_stream_carries_pieces_and_usage(scripted_model: ScriptedModel) -> None:
    scripted_model.when(says("hello"), Replies.text("Hi ", "there").costing(3, 2))
    async with _client(scripted_model) as client:
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == ["Hi ", "there"]
    assert [c.usage.total_tokens for c in chunks if c.usage] == [5]


async def test_tool_calls_arrive_whole(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"}, call_id="c1"))
    async with _client(scripted_model) as client:
        reply = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "time?"}])
    (call,) = reply.choices[0].message.tool_calls or []
    assert call.model_dump()["function"] == {
        "name": "time__get_current_time",
        "arguments": '{"timezone": "Asia/Tokyo"}',
    }


async def test_unscripted_request_is_refused_and_remembered(scripted_model: ScriptedModel) -> None:
    scripted_model.when(plans, Replies.plan([{"agent": "general", "task": "greet"}]))
    with pytest.raises(openai.BadRequestError, match="no scripted reply"):
        await _ask(scripted_model, "hello")
    assert [request.last_user for request in scripted_model.unscripted] == ["hello"]
    scripted_model.unscripted.clear()


async def test_client_that_hangs_up_is_noticed(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("never ends").stalled())
    asking = asyncio.create_task(_ask(scripted_model, "hello"))
    request = await scripted_model.requested()
    asking.cancel()
    await asyncio.wait_for(request.gone.wait(), PATIENCE)


async def test_models_are_listed(scripted_model: ScriptedModel) -> None:
    async with _client(scripted_model) as client:
        assert [model.id async for model in client.models.list()] == ["scripted"]
