"""What a node asks of a chat model, whichever provider is behind it."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.messages.ai import UsageMetadata

from mcp_config.tools import JsonObject, ToolSpec


@dataclass(frozen=True)
class Usage:
    """Tokens one model call, or several added up, took."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    """What they cost; 0 where the model has no price."""
    estimated: bool = False
    """Whether a provider told no counts, so that these, or some of them, are guessed from the texts."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
            self.estimated or other.estimated,
        )

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @classmethod
    def of(cls, message: AIMessage) -> "Usage":
        """Returns what a message says it took; nothing where its provider does not tell."""
        taken = message.usage_metadata
        return cls(taken["input_tokens"], taken["output_tokens"]) if taken else cls()

    @property
    def metadata(self) -> UsageMetadata:
        """The same as messages carry it."""
        return UsageMetadata(input_tokens=self.input_tokens, output_tokens=self.output_tokens, total_tokens=self.tokens)


NO_USAGE: Final = Usage()


@dataclass(frozen=True)
class TextDelta:
    """Text as it is made: part of the reply, or of the model's reasoning before it."""

    text: str
    channel: Literal["text", "reasoning"] = "text"


@dataclass(frozen=True)
class ModelReply:
    """The end of a model call: the whole message, with any tool calls it asks for."""

    message: AIMessage
    usage: Usage


@dataclass(frozen=True)
class StructuredReply:
    value: JsonObject
    usage: Usage


class ModelError(Exception):
    """A model call failed. `code` is stable (`model_timeout`, `model_unavailable`, `model_rejected`,
    `model_auth`, `model_bad_output`); `str(error)` tells a person what to do and carries no secret."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        usage: Usage = NO_USAGE,
        transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """`usage` is what the call took all the same; `transient` says that the same call may well succeed in a moment,
        `retry_after` that it will not before so many seconds."""
        super().__init__(detail)
        self.code = code
        self.usage = usage
        self.transient = transient
        self.retry_after = retry_after


Replies = AsyncGenerator[TextDelta | ModelReply, None]
"""Text as it is made, then the whole reply. Closing it ends the request at the provider: use `aclosing`."""


class ChatModel(Protocol):
    """One chat model. All methods raise `ModelError`; cancelling the awaiting task ends the request."""

    @property
    def name(self) -> str:
        """The selector it was made from, such as `openai:gpt-5-mini`."""

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and reply may have together."""

    async def ready(self) -> None:
        """Returns once the model can answer; at once for remote ones."""

    def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        """Yields text as it is made, then exactly one `ModelReply` as the last item."""

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        """Returns one JSON object that is valid for `schema` (constrained where the provider can)."""
