"""A model that may have tool calling or not: asked once, then remembered. Ollama serves both kinds under one API."""

from collections.abc import Sequence
from contextlib import aclosing

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.constrained import ConstrainedModel, Replies, ToolsUnsupported
from nodes.models.port import StructuredReply
from nodes.models.schema_tools import SchemaToolsModel


class AdaptingModel:
    """Offers tools in the model's own way, or through a schema once the provider has said that it has none."""

    def __init__(self, model: ConstrainedModel) -> None:
        self._model = model
        self._by_schema = SchemaToolsModel(model)
        self._has_tools = True

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    async def ready(self) -> None:
        await self._model.ready()

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        if self._has_tools or not tools:
            try:
                async with aclosing(self._model.stream(messages, tools)) as replies:
                    async for item in replies:
                        yield item
            except ToolsUnsupported:  # the request was refused as a whole: nothing was said yet
                self._has_tools = False
            else:
                return
        async with aclosing(self._by_schema.stream(messages, tools)) as replies:
            async for item in replies:
                yield item

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        return await self._model.structured(messages, name, schema)
