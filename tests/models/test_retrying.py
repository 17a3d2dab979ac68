"""Failures that pass: asked again where nothing of the answer was seen, never behind anyone's back; prices."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.messages import AnyMessage

from config.agents import Price
from config.redaction import Redactor
from mcp_config.tools import ToolSpec
from nodes.budget import Budget
from nodes.metered import MeteredModel
from nodes.models.fallback import FallbackModel
from nodes.models.port import ChatModel, ModelReply, Usage
from nodes.models.port import Replies as ModelReplies
from nodes.models.priced import PricedModel
from nodes.models.redacted import RedactedModel
from nodes.models.retrying import Patience, RetryingModel
from nodes.models.standing import Standing
from nodes.models.wrapped import WrappedModel
from nodes.spending import Spending
from tests.models.chats import GREETING, fail, general, hear, opened
from tests.support.scripted_model import Replies, Reply, ScriptedModel
from tests.support.waiting import PATIENCE

QUICK = Patience(retries=2, first_pause=0.01)


@pytest.fixture
async def model(scripted_model: ScriptedModel) -> AsyncIterator[ChatModel]:
    async with opened(scripted_model, "openai") as models:
        yield RetryingModel(general(models), QUICK)


@pytest.mark.parametrize(
    "trouble",
    [
        Replies.error(429, "slow down", {"retry-after": "0.02"}),
        Replies.error(500, "boom"),
        Replies.error(502, "bad gateway"),
        Replies.text("a", "b").reset(),
    ],
)
async def test_failure_that_passes_is_retried_and_said(
    model: ChatModel, scripted_model: ScriptedModel, trouble: Reply
) -> None:
    scripted_model.answer(trouble, trouble, Replies.text("Hi"))
    heard = await hear(model)
    assert heard.text == ["Hi"]
    told = [delta.text for delta in heard.deltas if delta.channel == "reasoning"]
    assert ["1 of 2" in told[0], "2 of 2" in told[1]] == [True, True]


async def test_each_call_is_one_request(scripted_model: ScriptedModel) -> None:
    scripted_model.always(lambda _: True, Replies.error(500, "boom"))
    async with opened(scripted_model, "openai") as models:
        await fail(general(models))
    assert len(scripted_model.requests) == 1, "nobody below us retries"


async def test_retries_end_with_the_failures_own_name(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.always(lambda _: True, Replies.error(503, "away"))
    assert (await fail(model)).code == "model_unavailable"
    assert len(scripted_model.requests) == 3


@pytest.mark.parametrize("trouble", [Replies.error(401, "no"), Replies.error(400, "no"), Replies.text("a").garbled()])
async def test_failure_that_does_not_pass_is_not_retried(
    model: ChatModel, scripted_model: ScriptedModel, trouble: Reply
) -> None:
    scripted_model.answer(trouble)
    await fail(model)
    assert len(scripted_model.requests) == 1


async def test_nothing_is_retried_once_words_were_seen(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("a", "b").reset(after=1))
    assert (await fail(model)).transient
    assert len(scripted_model.requests) == 1


async def test_who_asks_to_be_left_alone_for_long_is_not_waited_for(
    model: ChatModel, scripted_model: ScriptedModel
) -> None:
    scripted_model.answer(Replies.error(429, "slow down", {"retry-after": "3600"}))
    error = await fail(model)
    assert (error.code, error.retry_after, len(scripted_model.requests)) == ("model_unavailable", 3600, 1)


async def test_structured_calls_are_retried_too(model: ChatModel, scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.error(500, "boom"), Replies.json({"a": 1}))
    assert (await model.structured(GREETING, "plan", {"type": "object"})).value == {"a": 1}


async def test_replies_have_their_price(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("Hi").costing(1000, 100))
    async with opened(scripted_model, "openai") as models:
        priced = PricedModel(general(models), Price(input=2, output=10))
        reply = [item async for item in priced.stream(GREETING)][-1]
    assert isinstance(reply, ModelReply)
    assert reply.usage == Usage(1000, 100, 0.003)


@pytest.mark.parametrize(("setting", "after"), [("model_first_token_timeout", 0), ("model_idle_timeout", 1)])
async def test_stall_before_and_in_the_answer_is_a_timeout(
    scripted_model: ScriptedModel, setting: str, after: int
) -> None:
    scripted_model.answer(Replies.text("a", "b").stalled(after=after))
    settings: dict[str, Any] = {setting: 0.2, "model_retries": 2}  # Any: as `opened` takes any setting
    async with opened(scripted_model, "openai", None, **settings) as models:
        error = await fail(general(models))
    assert (error.code, len(scripted_model.requests)) == ("model_timeout", 1)
    await asyncio.wait_for(scripted_model.requests[0].gone.wait(), PATIENCE)


class _Told(WrappedModel[ChatModel]):
    """Tells whether what it streams has been closed, in order, by whoever asked for it."""

    closed = False

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> ModelReplies:
        try:
            async with aclosing(self._model.stream(messages, tools)) as replies:
                async for item in replies:
                    yield item
        finally:
            await asyncio.sleep(0)  # as a connection takes a moment to be closed
            self.closed = True


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: RetryingModel(model, QUICK),
        lambda model: FallbackModel([model], Standing()),
        lambda model: PricedModel(model, Price(input=1, output=1)),
        lambda model: RedactedModel(model, Redactor()),
        lambda model: MeteredModel(model, Budget(Spending(), (), {}), "step_1", "general"),
    ],
)
async def test_a_stream_that_is_closed_early_has_closed_all_within(
    scripted_model: ScriptedModel, wrap: Callable[[ChatModel], ChatModel]
) -> None:
    scripted_model.answer(Replies.text("a", "b").stalled(after=1))
    async with opened(scripted_model, "openai") as models:
        told = _Told(general(models))
        stream = wrap(told).stream(GREETING)
        await anext(stream)
        await stream.aclose()
        assert told.closed
        await asyncio.wait_for(scripted_model.requests[0].gone.wait(), PATIENCE)
