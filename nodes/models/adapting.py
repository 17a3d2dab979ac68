"""A model that may have tool calling or not: asked once, then remembered. Ollama serves both kinds under one API."""

from collections.abc import Sequence
from contextlib import aclosing

from langchain_core.messages import AnyMessage

from mcp_config.tools import ToolSpec
from nodes.models.constrained import ConstrainedModel, ToolsUnsupported
from nodes.models.port import Replies
from nodes.models.schema_tools import SchemaToolsModel
from nodes.models.wrapped import WrappedModel


class AdaptingModel(WrappedModel[ConstrainedModel]):
    """Offers tools in the model's own way, or through a schema once the provider has said that it has none."""

    def __init__(self, model: ConstrainedModel) -> None:
        super().__init__(model)
        self._by_schema = SchemaToolsModel(model)
        self._has_tools = True

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
