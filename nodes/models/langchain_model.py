"""A `ChatModel` over any LangChain chat client. Knows how to ask and to wait, not which provider it asks."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

import jsonschema
from langchain_core.exceptions import ModelError as ProviderError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, AnyMessage

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.endpoint import Endpoint
from nodes.models.port import ModelError, Replies, StructuredReply
from nodes.models.reply import ReplyBuilder
from nodes.window import count_message, count_tokens

CallOptions = Mapping[str, Any]  # keyword arguments of LangChain's `astream`, which declares them as Any
Constrain = Callable[[str, JsonObject], CallOptions]
"""Call options that make the provider's reply one JSON object that fits the named schema."""

# What a client's own code raises for replies it cannot digest; ours does not run inside it.
_CLIENT_FAILURES: Final = (ProviderError, OSError, ValueError, TypeError, KeyError)


class LangChainChatModel:
    """One chat model behind a LangChain client."""

    def __init__(
        self,
        client: BaseChatModel,
        endpoint: Endpoint,
        *,
        context_tokens: int,
        constrain: Constrain,
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._context_tokens = context_tokens
        self._constrain = constrain
        self._failures: tuple[type[Exception], ...] = (*_CLIENT_FAILURES, *failures)

    @property
    def name(self) -> str:
        return self._endpoint.selector

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    async def ready(self) -> None:
        """Returns at once: the provider is asked only when there is something to ask."""

    def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        return self._replies(messages, {"tools": [_function(tool) for tool in tools]} if tools else {})

    def stream_json(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> Replies:
        return self._replies(messages, self._constrain(name, schema))

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        reply = ReplyBuilder()
        with _costing(reply):
            async with contextlib.aclosing(self._chunks(messages, self._constrain(name, schema))) as chunks:
                async for chunk in chunks:
                    reply.add(chunk)
            self._check_ended(reply)
            reply.estimate(_size(messages))
            if reply.cut_short:
                raise ModelError("model_bad_output", f"{self.name} ran out of room before its {name} was complete")
            return StructuredReply(_parse(reply.text, self.name, name, schema), reply.usage)

    async def _replies(self, messages: Sequence[AnyMessage], options: CallOptions) -> Replies:
        reply = ReplyBuilder()
        with _costing(reply):
            async with contextlib.aclosing(self._chunks(messages, options)) as chunks:
                async for chunk in chunks:
                    for delta in reply.add(chunk):
                        yield delta
            self._check_ended(reply)
            reply.estimate(_size(messages, options))
        yield reply.build()

    def _check_ended(self, reply: ReplyBuilder) -> None:
        if not reply.ended:
            detail = f"{self._endpoint.place} broke off in mid-reply: try again"
            raise ModelError("model_unavailable", detail, transient=True)

    async def _chunks(
        self, messages: Sequence[AnyMessage], options: CallOptions
    ) -> AsyncGenerator[AIMessageChunk, None]:
        """Yields the client's chunks, each within its deadline. Closing this ends the request."""
        patience = self._endpoint.deadlines.first_token
        stream = cast("AsyncGenerator[AIMessageChunk, None]", self._client.astream(list(messages), **options))
        async with contextlib.aclosing(stream):
            while True:
                try:
                    async with asyncio.timeout(patience):
                        chunk = await anext(stream)
                except StopAsyncIteration:
                    return
                except self._failures as error:
                    raise self._endpoint.explain(error) from error
                patience = self._endpoint.deadlines.next_token
                yield chunk


@contextlib.contextmanager
def _costing(reply: ReplyBuilder) -> Iterator[None]:
    """A call that fails may have told before what it took."""
    try:
        yield
    except ModelError as error:
        error.usage += reply.usage
        raise


def _size(messages: Sequence[AnyMessage], options: CallOptions = MappingProxyType({})) -> int:
    """Returns how many tokens a prompt may be. A schema that only bounds the reply is no part of it."""
    offered = json.dumps(options["tools"]) if "tools" in options else ""
    return sum(map(count_message, messages)) + (count_tokens(offered) if offered else 0)


def _function(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.model_schema},
    }


def _parse(text: str, model: str, name: str, schema: JsonObject) -> JsonObject:
    """Raises: ModelError with what is wrong, in words that a model can act on."""
    try:
        value = json.loads(text)
        jsonschema.validate(value, schema)
    except ValueError as error:
        raise ModelError("model_bad_output", f"{model} gave no JSON for {name}: {error}") from error
    except jsonschema.ValidationError as error:
        detail = f"{model} gave a {name} that does not fit at {error.json_path}: {error.message[:300]}"
        raise ModelError("model_bad_output", detail) from error
    if not isinstance(value, dict):
        raise ModelError("model_bad_output", f"{model} gave a {name} that is not a JSON object")
    return value
