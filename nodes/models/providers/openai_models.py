"""Models of OpenAI, of any server that speaks its chat completions, and of Azure."""

from contextlib import AsyncExitStack
from typing import Final

from pydantic import SecretStr

from config.settings import Settings
from nodes.models.endpoint import Deadlines, Endpoint
from nodes.models.langchain_model import LangChainChatModel
from nodes.models.providers.openai_chat import OPENAI_FAILURES, AzureChat, OpenAIChat, build_http, constrain
from nodes.models.traits import find_traits

_OPENAI_URL: Final = "https://api.openai.com/v1"


def build_openai(settings: Settings, name: str, closing: AsyncExitStack) -> LangChainChatModel:
    key = settings.openai_api_key
    endpoint = Endpoint(
        selector=f"openai:{name}",
        url=settings.openai_base_url or _OPENAI_URL,
        url_setting="OPENAI_BASE_URL",
        key_setting="OPENAI_API_KEY",
        when_missing="check DEFAULT_MODEL, the agent's `model`, and what the key may use",
        deadlines=Deadlines.of(settings),
        secrets=_secrets(key),
    )
    client = OpenAIChat(
        model=name,
        base_url=endpoint.url,
        api_key=key or SecretStr("none"),  # the client insists on one
        stream_usage=True,
        stream_chunk_timeout=None,  # LangChainChatModel keeps the time
        use_responses_api=False,
        max_retries=0,
        http_async_client=build_http(endpoint.deadlines, closing),
    )
    context = find_traits("openai", name).context_tokens
    return LangChainChatModel(client, endpoint, context_tokens=context, constrain=constrain, failures=OPENAI_FAILURES)


def build_azure(settings: Settings, name: str, closing: AsyncExitStack) -> LangChainChatModel:
    """`name` is the deployment."""
    key, address = settings.azure_openai_api_key, settings.azure_openai_endpoint or ""
    endpoint = Endpoint(
        selector=f"azure:{name}",
        url=address,
        url_setting="AZURE_OPENAI_ENDPOINT",
        key_setting="AZURE_OPENAI_API_KEY",
        when_missing="the name after `azure:` is that of the deployment",
        deadlines=Deadlines.of(settings),
        secrets=_secrets(key),
    )
    client = AzureChat(
        azure_deployment=name,
        azure_endpoint=address,
        api_key=key,
        api_version=settings.azure_openai_api_version,
        stream_usage=True,
        stream_chunk_timeout=None,
        use_responses_api=False,
        max_retries=0,
        http_async_client=build_http(endpoint.deadlines, closing),
    )
    context = find_traits("azure", name).context_tokens
    return LangChainChatModel(client, endpoint, context_tokens=context, constrain=constrain, failures=OPENAI_FAILURES)


def _secrets(key: SecretStr | None) -> tuple[str, ...]:
    return (key.get_secret_value(),) if key else ()
