"""What models inside this package can beyond the port: streams that can be closed, replies that fit a schema."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from langchain_core.messages import AnyMessage
from typing_extensions import override

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.port import ChatModel, ModelError, ModelReply, TextDelta

Replies = AsyncGenerator[TextDelta | ModelReply, None]
"""Text as it is made, then the whole reply. Closing it ends the request at the provider."""


class ToolsUnsupported(ModelError):
    """The provider takes no tools for this model."""


class ClosableModel(ChatModel, Protocol):
    @override
    def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies: ...


class ConstrainedModel(ClosableModel, Protocol):
    def stream_json(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> Replies:
        """Yields a reply that the provider constrains to `schema`, as text while it is made."""
