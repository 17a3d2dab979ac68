"""A model whose calls are held to a run's budget and counted, also those that fail."""

from collections.abc import Sequence
from contextlib import aclosing

from langchain_core.messages import AnyMessage
from typing_extensions import override

from mcp_config.tools import JsonObject, ToolSpec
from nodes.budget import Budget
from nodes.models.port import ChatModel, ModelError, ModelReply, Replies, StructuredReply, Usage
from nodes.models.wrapped import WrappedModel


class MeteredModel(WrappedModel[ChatModel]):
    """The model as one step of a run may use it. Beyond what a `ChatModel` raises: `BudgetExceeded`, its own kind."""

    def __init__(self, model: ChatModel, budget: Budget, step_id: str, agent: str) -> None:
        super().__init__(model)
        self._budget, self._step_id, self._agent = budget, step_id, agent

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        self._budget.check_model(self._step_id, self._agent)
        try:
            async with aclosing(self._model.stream(messages, tools)) as replies:
                async for item in replies:
                    if isinstance(item, ModelReply):
                        self._count(item.usage)
                    yield item
        except ModelError as error:
            self._count(error.usage)
            raise

    @override
    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        self._budget.check_model(self._step_id, self._agent)
        try:
            reply = await self._model.structured(messages, name, schema)
        except ModelError as error:
            self._count(error.usage)
            raise
        self._count(reply.usage)
        return reply

    def _count(self, usage: Usage) -> None:
        self._budget.add_usage(self._step_id, self._agent, usage)
