"""How each provider's client is made, when it is first needed, without stopping the event loop for the import."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib import import_module
from types import ModuleType
from typing import assert_never

from config.settings import Settings
from nodes.models.constrained import ConstrainedModel
from nodes.models.embedded.engine import Engine
from nodes.models.selectors import Selected
from nodes.models.traits import EMBEDDED_MODEL

FindClient = Callable[[], Awaitable[ConstrainedModel]]


def find_obstacle(selected: Selected, settings: Settings) -> str | None:
    """Returns what must be configured before this model can be used, or None."""
    match selected.provider:
        case "openai":
            if settings.openai_api_key is None and settings.openai_base_url is None:
                return f"{selected} needs OPENAI_API_KEY, or OPENAI_BASE_URL for a server that asks for no key"
        case "azure":
            if settings.azure_openai_api_key is None or settings.azure_openai_endpoint is None:
                return f"{selected} needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY"
        case "ollama":
            return None
        case "embedded":
            if selected.model != EMBEDDED_MODEL:
                return f"{selected} is not there: the embedded model is embedded:{EMBEDDED_MODEL}"
        case _:
            assert_never(selected.provider)
    return None


class RemoteClient:
    """Makes a remote provider's client once."""

    def __init__(self, selected: Selected, settings: Settings, closing: AsyncExitStack) -> None:
        self._selected = selected
        self._settings = settings
        self._closing = closing
        self._client: ConstrainedModel | None = None

    async def find(self) -> ConstrainedModel:
        provider = "ollama" if self._selected.provider == "ollama" else "openai"
        module = await _load(f"{provider}_models")
        if self._client is None:
            self._client = self._build(module)
        return self._client

    def _build(self, module: ModuleType) -> ConstrainedModel:
        build = getattr(module, f"build_{self._selected.provider}")
        client: ConstrainedModel = build(self._settings, self._selected.model, self._closing)
        return client


class EmbeddedClient:
    """Makes a client for each address the engine gets."""

    def __init__(self, engine: Engine, closing: AsyncExitStack) -> None:
        self._engine = engine
        self._closing = closing
        self._client: ConstrainedModel | None = None
        self._address = ""

    async def find(self) -> ConstrainedModel:
        address = await self._engine.address()
        module = await _load("embedded_client")
        if self._client is None or self._address != address:
            self._client, self._address = module.build_embedded_client(address, self._closing), address
        return self._client


async def _load(name: str) -> ModuleType:
    return await asyncio.to_thread(import_module, f"nodes.models.providers.{name}")
