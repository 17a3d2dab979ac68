"""A chat model that says of itself what the test wants: another name, a smaller context."""

from collections.abc import Sequence

from langchain_core.messages import AnyMessage
from typing_extensions import override

from mcp_config.tools import ToolSpec
from nodes.models.port import ChatModel, Replies
from nodes.models.wrapped import WrappedModel


class DisguisedModel(WrappedModel[ChatModel]):
    def __init__(self, model: ChatModel, *, name: str | None = None, context_tokens: int | None = None) -> None:
        super().__init__(model)
        self._name, self._context_tokens = name, context_tokens

    @property
    @override
    def name(self) -> str:
        return self._name or self._model.name

    @property
    @override
    def context_tokens(self) -> int:
        return self._context_tokens or self._model.context_tokens

    def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        return self._model.stream(messages, tools)
