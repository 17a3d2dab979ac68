"""The client of the embedded engine, which speaks OpenAI's API on loopback."""

from contextlib import AsyncExitStack
from typing import Final

from pydantic import SecretStr

from config.settings import EMBEDDED_MODEL
from nodes.models.endpoint import Deadlines, Endpoint
from nodes.models.langchain_model import LangChainChatModel
from nodes.models.providers.openai_chat import OPENAI_FAILURES, OpenAIChat, build_http, constrain
from nodes.models.traits import EMBEDDED_CONTEXT

_DEADLINES: Final = Deadlines(first_token=600, next_token=120)
"""A busy machine without a GPU reads a full prompt for minutes, and requests wait for each other."""
_LONGEST_REPLY: Final = 1024
"""Tokens. So small a model can repeat itself until its memory is full."""


def build_embedded_client(
    address: str, closing: AsyncExitStack, deadlines: Deadlines = _DEADLINES
) -> LangChainChatModel:
    endpoint = Endpoint(
        selector=f"embedded:{EMBEDDED_MODEL}",
        url=address,
        url_setting="MODEL_PROVIDER",
        when_unreachable="the embedded model broke off and is being started again: try again",
        deadlines=deadlines,
    )
    client = OpenAIChat(
        model=EMBEDDED_MODEL,
        base_url=f"{address}/v1",
        api_key=SecretStr("none"),  # the client insists on one
        temperature=0,
        max_completion_tokens=_LONGEST_REPLY,
        stream_usage=True,
        stream_chunk_timeout=None,
        use_responses_api=False,
        max_retries=0,
        # the engine closes kept connections whenever it likes, also while the next request is on its way
        default_headers={"Connection": "close"},
        http_async_client=build_http(deadlines, closing, through_proxies=False),
    )
    return LangChainChatModel(
        client, endpoint, context_tokens=EMBEDDED_CONTEXT, constrain=constrain, failures=OPENAI_FAILURES
    )
