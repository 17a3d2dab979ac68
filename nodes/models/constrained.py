"""What models inside this package can beyond the port: replies that fit a schema."""

from collections.abc import Sequence
from typing import Protocol

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject
from nodes.models.port import ChatModel, ModelError, Replies


class ToolsUnsupported(ModelError):
    """The provider takes no tools for this model."""


class ConstrainedModel(ChatModel, Protocol):
    def stream_json(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> Replies:
        """Yields a reply that the provider constrains to `schema`, as text while it is made."""
