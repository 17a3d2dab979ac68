"""Models of a local (or any) Ollama."""

from contextlib import AsyncExitStack
from typing import Final

import httpx
import ollama
from langchain_ollama import ChatOllama

from config.settings import Settings
from mcp_config.tools import JsonObject
from nodes.models.endpoint import Deadlines, Endpoint
from nodes.models.langchain_model import CallOptions, LangChainChatModel
from nodes.models.traits import find_traits

_FAILURES: Final = (httpx.HTTPError, ollama.ResponseError)


def build_ollama(settings: Settings, name: str, _closing: AsyncExitStack) -> LangChainChatModel:
    endpoint = Endpoint(
        selector=f"ollama:{name}",
        url=settings.ollama_base_url,
        url_setting="OLLAMA_BASE_URL",
        when_missing=f"fetch it with `ollama pull {name}`",
        deadlines=Deadlines.of(settings),
    )
    context = find_traits("ollama", name).context_tokens
    deadlines = endpoint.deadlines
    timeout = httpx.Timeout(deadlines.first_token + deadlines.next_token, connect=deadlines.connect)
    # No connection is kept: LangChain offers no way to close them, and one to a local server costs nothing.
    client = ChatOllama(
        model=name,
        base_url=endpoint.url,
        num_ctx=context,
        async_client_kwargs={"timeout": timeout, "limits": httpx.Limits(max_keepalive_connections=0)},
    )
    return LangChainChatModel(client, endpoint, context_tokens=context, constrain=_constrain, failures=_FAILURES)


def _constrain(_name: str, schema: JsonObject) -> CallOptions:
    return {"format": schema}
