"""The base of models that wrap another one: whatever a wrapper does not change is passed on to the inner model."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject
from nodes.models.port import ChatModel, StructuredReply

Inner = TypeVar("Inner", bound=ChatModel)


class WrappedModel(Generic[Inner]):
    """A `ChatModel` but for `stream`, which each wrapper has of its own."""

    def __init__(self, model: Inner) -> None:
        self._model = model

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    async def ready(self) -> None:
        await self._model.ready()

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        return await self._model.structured(messages, name, schema)
