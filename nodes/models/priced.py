"""A model that knows what its calls cost."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from langchain_core.messages import AnyMessage
from typing_extensions import override

from config.agents import Price
from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.port import ChatModel, ModelError, ModelReply, Replies, StructuredReply, Usage
from nodes.models.wrapped import WrappedModel

_MILLION: Final = 1_000_000


class PricedModel(WrappedModel[ChatModel]):
    """Puts a price on the usage of every reply, and of calls that fail."""

    def __init__(self, model: ChatModel, price: Price) -> None:
        super().__init__(model)
        self._price = price

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        try:
            async with aclosing(self._model.stream(messages, tools)) as replies:
                async for item in replies:
                    yield replace(item, usage=self._priced(item.usage)) if isinstance(item, ModelReply) else item
        except ModelError as error:
            error.usage = self._priced(error.usage)
            raise

    @override
    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        try:
            reply = await self._model.structured(messages, name, schema)
        except ModelError as error:
            error.usage = self._priced(error.usage)
            raise
        return replace(reply, usage=self._priced(reply.usage))

    def _priced(self, usage: Usage) -> Usage:
        cost = usage.input_tokens * self._price.input + usage.output_tokens * self._price.output
        return replace(usage, cost_usd=cost / _MILLION)
