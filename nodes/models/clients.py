"""How each provider's client is made, when it is first needed, without stopping the event loop for the import."""

import asyncio
from contextlib import AsyncExitStack
from importlib import import_module
from types import ModuleType

from config.settings import EMBEDDED_MODEL, Settings
from nodes.models.constrained import ConstrainedModel
from nodes.models.embedded.engine import Engine
from nodes.models.selectors import Selected


def find_obstacle(selected: Selected, settings: Settings) -> str | None:
    """Returns what must be configured before this model can be used, or None."""
    if selected.provider == "embedded" and selected.model != EMBEDDED_MODEL:
        return f"{selected} is not there: the embedded model is embedded:{EMBEDDED_MODEL}"
    missing = settings.find_missing(selected.provider)
    return f"{selected} needs {missing}" if missing else None


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
