"""A model whose calls are held to a run's budget and counted, also those that fail."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject, ToolSpec
from nodes.budget import Budget
from nodes.models.port import ChatModel, ModelError, ModelReply, StructuredReply, TextDelta


@dataclass(frozen=True)
class MeteredModel:
    """The model as one step of a run may use it. Beyond what a `ChatModel` raises: `BudgetExceeded`, its own kind."""

    model: ChatModel
    budget: Budget
    step_id: str
    agent: str

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def context_tokens(self) -> int:
        return self.model.context_tokens

    async def ready(self) -> None:
        await self.model.ready()

    async def stream(
        self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ModelReply]:
        self.budget.check_model(self.step_id, self.agent)
        try:
            async for item in self.model.stream(messages, tools):
                if isinstance(item, ModelReply):
                    self.budget.add_usage(self.step_id, self.agent, item.usage)
                yield item
        except ModelError as error:
            self._count(error)
            raise

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        self.budget.check_model(self.step_id, self.agent)
        try:
            reply = await self.model.structured(messages, name, schema)
        except ModelError as error:
            self._count(error)
            raise
        self.budget.add_usage(self.step_id, self.agent, reply.usage)
        return reply

    def _count(self, error: ModelError) -> None:
        self.budget.add_usage(self.step_id, self.agent, error.usage)
