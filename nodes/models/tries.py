"""Several calls of models that are one call to whoever asked: what the failed ones took is counted with the last."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.port import NO_USAGE, ChatModel, ModelError, ModelReply, Replies, StructuredReply, TextDelta


class Tries:
    """What each raises carries the usage of all so far."""

    def __init__(self) -> None:
        self._wasted = NO_USAGE
        self.shown = False
        """Whether words of an answer were seen: they cannot be unsaid, so no other try may follow."""

    async def stream(self, model: ChatModel, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec]) -> Replies:
        try:
            async with aclosing(model.stream(messages, tools)) as replies:
                async for item in replies:
                    self.shown = self.shown or (isinstance(item, TextDelta) and item.channel == "text")
                    yield replace(item, usage=item.usage + self._wasted) if isinstance(item, ModelReply) else item
        except ModelError as error:
            raise self._counted(error) from error.__cause__

    async def structured(
        self, model: ChatModel, messages: Sequence[AnyMessage], name: str, schema: JsonObject
    ) -> StructuredReply:
        try:
            reply = await model.structured(messages, name, schema)
        except ModelError as error:
            raise self._counted(error) from error.__cause__
        return replace(reply, usage=reply.usage + self._wasted)

    def _counted(self, error: ModelError) -> ModelError:
        self._wasted += error.usage
        error.usage = self._wasted
        return error
