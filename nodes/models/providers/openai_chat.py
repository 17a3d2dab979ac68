"""LangChain's OpenAI client, made to show the thoughts that compatible servers send and to end with its owner."""

from contextlib import AsyncExitStack
from typing import Any, Final

import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from mcp_config.tools import JsonObject
from nodes.models.endpoint import Deadlines
from nodes.models.langchain_model import CallOptions

OPENAI_FAILURES: Final = (openai.OpenAIError,)
_REASONING_FIELDS: Final = ("reasoning_content", "reasoning")
"""DeepSeek, vLLM and llama.cpp say the first, OpenRouter the second; OpenAI itself sends neither."""


class _Thoughts:
    """Keeps the reasoning text of a chunk, which LangChain leaves to provider-specific subclasses."""

    def _convert_chunk_to_generation_chunk(
        self,
        chunk: dict[str, Any],  # LangChain's signature
        default_chunk_class: type,
        base_generation_info: dict[str, Any] | None,
    ) -> ChatGenerationChunk | None:
        convert = super()._convert_chunk_to_generation_chunk  # type: ignore[misc]  # defined by the class mixed with
        converted: ChatGenerationChunk | None = convert(chunk, default_chunk_class, base_generation_info)
        if converted and isinstance(converted.message, AIMessageChunk):
            thought = _reasoning(chunk)
            if thought:
                converted.message.additional_kwargs["reasoning_content"] = thought
        return converted


class OpenAIChat(_Thoughts, ChatOpenAI):
    """Any server that speaks OpenAI's chat completions."""


class AzureChat(_Thoughts, AzureChatOpenAI):
    """The same on Azure."""


def constrain(name: str, schema: JsonObject) -> CallOptions:
    """Returns the options for a reply that fits `schema`, streamed as plain text.

    In `extra_body`, because the SDK parses a `response_format` of its own again and again while it grows.
    """
    wanted = {"name": name, "schema": schema, "strict": _is_strict(schema)}
    return {"extra_body": {"response_format": {"type": "json_schema", "json_schema": wanted}}}


def build_http(
    deadlines: Deadlines, closing: AsyncExitStack, *, through_proxies: bool = True
) -> openai.DefaultAsyncHttpxClient:
    """Returns one model's connections, to be closed with `closing`: LangChain's own outlive their event loop."""
    timeout = openai.Timeout(deadlines.first_token + deadlines.next_token, connect=deadlines.connect)
    http = openai.DefaultAsyncHttpxClient(timeout=timeout, trust_env=through_proxies)
    closing.push_async_callback(http.aclose)
    return http


def _reasoning(chunk: dict[str, Any]) -> str:
    for choice in chunk.get("choices") or []:
        for name in _REASONING_FIELDS:
            if thought := (choice.get("delta") or {}).get(name):
                return str(thought)
    return ""


def _is_strict(schema: object) -> bool:
    """Whether OpenAI's strict mode takes the schema: every object closed, every property required."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (
        schema.get("additionalProperties") is not False
        or set(schema.get("required", [])) != set(schema.get("properties", {}))
    ):
        return False
    return all(map(_is_strict, schema.values()))
