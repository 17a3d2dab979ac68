"""A model that is heard through the redactor: its words are clean before a node says, stores or streams them.

The tool calls it asks for stay as they are: a tool is sent what was meant, and what is written down of that is
redacted where it is written.
"""

from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final, cast

from langchain_core.messages import AIMessage, AnyMessage
from typing_extensions import override

from config.agents import Redaction
from config.held_text import HeldText
from config.redaction import Redactor
from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.port import ChatModel, ModelError, ModelReply, Replies, StructuredReply, TextDelta
from nodes.models.wrapped import WrappedModel

_CHANNELS: Final = ("reasoning", "text")


class RedactedModel(WrappedModel[ChatModel]):
    """`kinds` are those of the agent whose words these are."""

    def __init__(self, model: ChatModel, redactor: Redactor, kinds: Collection[Redaction] = ()) -> None:
        super().__init__(model)
        self._redactor, self._kinds = redactor, kinds

    @override
    async def ready(self) -> None:
        try:
            await self._model.ready()
        except ModelError as error:
            raise self._cleaned(error) from error.__cause__

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        try:
            async with (
                aclosing(self._model.stream(messages, tools)) as replies,
                aclosing(self._clean(replies)) as clean,
            ):
                async for item in clean:
                    yield item
        except ModelError as error:
            raise self._cleaned(error) from error.__cause__

    async def _clean(self, replies: Replies) -> Replies:
        held = {channel: HeldText(self._redactor, self._kinds) for channel in _CHANNELS}
        last: TextDelta | None = None
        async for item in replies:
            delta = item if isinstance(item, TextDelta) else None
            ends = last is not None and (delta is None or delta.channel != last.channel)
            if last is not None and ends and (rest := held[last.channel].end()):
                yield replace(last, text=rest)
            last = delta or last
            if isinstance(item, ModelReply):
                yield self._reply(item)
            elif text := held[item.channel].feed(item.text):
                yield TextDelta(text, item.channel)

    @override
    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        try:
            reply = await self._model.structured(messages, name, schema)
        except ModelError as error:
            raise self._cleaned(error) from error.__cause__
        return replace(reply, value=cast(JsonObject, self._redactor.value(reply.value, self._kinds)))

    def _reply(self, reply: ModelReply) -> ModelReply:
        text = self._redactor.text(reply.message.text, self._kinds)
        if text == reply.message.text:
            return reply
        message: AIMessage = reply.message.model_copy(update={"content": text})
        return replace(reply, message=message)

    def _cleaned(self, error: ModelError) -> ModelError:
        """Providers quote keys, and now and then a prompt, in what they complain about."""
        error.args = (self._redactor.text(str(error), self._kinds),)
        return error
