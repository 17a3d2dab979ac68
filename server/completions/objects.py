"""Completions as they are described to clients; what is sent is built in `chunks`, and a test holds the two equal."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CompletionUsage(_Closed):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(_Closed):
    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(_Closed):
    index: Literal[0]
    message: AnswerMessage
    logprobs: None
    finish_reason: Literal["stop"]


class ChatCompletion(_Closed):
    """The whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: None
    choices: list[Choice]
    usage: CompletionUsage


class Delta(_Closed):
    """What a chunk adds. `reasoning_content` only for clients that asked for it."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None


class ChunkChoice(_Closed):
    index: Literal[0]
    delta: Delta
    logprobs: None
    finish_reason: Literal["stop"] | None


class ChatCompletionChunk(_Closed):
    """A piece of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: None
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
