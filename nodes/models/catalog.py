"""The chat models of a process: made from settings and aliases, one for each selector, kept until the end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from config.agents import AgentsFile, AgentSpec
from config.redaction import Redactor
from config.settings import EMBEDDED_MODEL, Settings
from nodes.models.adapting import AdaptingModel
from nodes.models.clients import EmbeddedClient, RemoteClient, find_obstacle
from nodes.models.embedded.engine import Engine, EngineHealth, WarmUp, open_engine
from nodes.models.fallback import FallbackModel
from nodes.models.late import LateModel
from nodes.models.port import ChatModel, ModelError
from nodes.models.priced import PricedModel
from nodes.models.redacted import RedactedModel
from nodes.models.retrying import Patience, RetryingModel
from nodes.models.schema_tools import SchemaToolsModel
from nodes.models.selectors import DEFAULT, FAST, VISION, Aliases, Selected, build_selection
from nodes.models.standing import Standing
from nodes.models.traits import find_traits

_log = logging.getLogger(__name__)

_EMBEDDED: Final = f"embedded:{EMBEDDED_MODEL}"


class Models:
    """Satisfies `nodes.context.ModelCatalog`."""

    def __init__(
        self, settings: Settings, agents_file: AgentsFile, engine: Engine, closing: AsyncExitStack, redactor: Redactor
    ) -> None:
        self._settings, self._redactor = settings, redactor
        self._agents = agents_file.agents
        self._prices = agents_file.prices
        self.aliases: Aliases = {DEFAULT: settings.default_selector, **agents_file.models}
        """What a selector without a provider stands for."""
        self._engine = engine
        self._closing = closing
        self._models: dict[Selected, ChatModel] = {}
        self._standing = Standing()
        self._starting: set[asyncio.Task[None]] = set()

    def for_agent(self, agent: AgentSpec, *, images: bool = False) -> ChatModel:
        selection = build_selection(agent.selectors, self.aliases)
        if images:
            selection = self._seeing(selection)
        return RedactedModel(self._first_of(selection), self._redactor, frozenset(agent.policies.redact))

    def sees(self, agent: AgentSpec) -> bool:
        """Returns whether the agent has a model that is known to see images, or one is named `vision`."""
        selection = build_selection(agent.selectors, self.aliases)
        known = any(find_traits(selected.provider, selected.model).sees for selected in selection)
        return known or VISION in self.aliases

    def for_chores(self) -> ChatModel:
        """Returns the model for short work that no agent does: `fast` where that is configured, else the default one.

        Raises `ModelError` when it cannot be used, saying what to configure.
        """
        chosen = build_selection([FAST if FAST in self.aliases else DEFAULT], self.aliases)
        return RedactedModel(self._first_of(chosen), self._redactor)

    def start(self, warm_up: WarmUp | None = None) -> None:
        """Begins, in the background, what the configured agents will need first; returns at once.

        `warm_up` is awaited after each start of the embedded engine, if that is used at all.
        """
        for selected in self._first_choices():
            if selected.provider == "embedded":
                self._engine.start(warm_up)
            else:
                self._prepare(self._get(selected))

    def health(self) -> dict[str, EngineHealth]:
        """Returns how the models are that run here; remote ones are asked only when there is something to ask."""
        used = any(selected.provider == "embedded" for selected in self._first_choices())
        return {_EMBEDDED: self._engine.health} if used or self._engine.health.state != "idle" else {}

    async def close(self) -> None:
        """Gives up what `start` has begun and nobody waits for any more."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)

    def _first_choices(self) -> list[Selected]:
        """What enabled agents use first; an agent that is misconfigured has its own error when it is run."""
        chosen: dict[Selected, None] = {}
        for agent in self._agents:
            try:
                selection = self._usable(build_selection(agent.selectors, self.aliases)) if agent.enabled else []
            except ModelError as error:
                _log.warning("agent %s cannot be used: %s", agent.id, error)
                continue
            chosen.update(dict.fromkeys(selection[:1]))
        return list(chosen)

    def _first_of(self, selection: Sequence[Selected]) -> ChatModel:
        models = [self._get(selected) for selected in self._usable(selection)]
        return models[0] if len(models) == 1 else FallbackModel(models, self._standing)

    def _seeing(self, selection: Sequence[Selected]) -> list[Selected]:
        """Raises: ModelError when none of the models can see and no `vision` is configured."""
        sight = {selected: find_traits(selected.provider, selected.model).sees for selected in selection}
        if seeing := [selected for selected in selection if sight[selected]]:
            return seeing
        if VISION in self.aliases:
            return build_selection([VISION], self.aliases)
        if perhaps := [selected for selected in selection if sight[selected] is None]:
            return perhaps
        names = ", ".join(map(str, selection))
        detail = f"{names} cannot see images: name a model that can as `vision` under `models:` in agents.yaml"
        raise ModelError("model_rejected", detail)

    def _usable(self, selection: Sequence[Selected]) -> list[Selected]:
        """Raises: ModelError with what to configure when no model is left."""
        obstacles = {selected: find_obstacle(selected, self._settings) for selected in selection}
        usable = [selected for selected in selection if obstacles[selected] is None]
        if not usable:
            raise ModelError("model_auth", "; ".join(why for why in obstacles.values() if why))
        return usable

    def _get(self, selected: Selected) -> ChatModel:
        if selected not in self._models:
            model, price = self._build(selected), self._prices.get(str(selected))
            priced = PricedModel(model, price) if price else model
            self._models[selected] = RetryingModel(priced, Patience(self._settings.model_retries))
        return self._models[selected]

    def _build(self, selected: Selected) -> ChatModel:
        context = find_traits(selected.provider, selected.model).context_tokens
        if selected.provider == "embedded":
            late = LateModel(str(selected), context, EmbeddedClient(self._engine, self._closing).find)
            return SchemaToolsModel(late)
        late = LateModel(str(selected), context, RemoteClient(selected, self._settings, self._closing).find)
        return AdaptingModel(late) if selected.provider == "ollama" else late

    def _prepare(self, model: ChatModel) -> None:
        task = asyncio.create_task(model.ready())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)


@asynccontextmanager
async def open_models(
    settings: Settings, agents_file: AgentsFile, redactor: Redactor | None = None
) -> AsyncIterator[Models]:
    """Yields the models. Nothing is imported, fetched or started before `start` or a first call."""
    async with open_engine(settings.model_dir) as engine, AsyncExitStack() as closing:
        models = Models(settings, agents_file, engine, closing, redactor or Redactor())
        closing.push_async_callback(models.close)
        yield models
