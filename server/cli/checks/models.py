"""The models of all enabled agents. A remote one is asked for a word; the embedded one's weights are looked at."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, Final, cast

from langchain_core.messages import HumanMessage

from config.agents import AgentsFile, AgentSpec
from config.settings import Settings
from nodes.models.catalog import Models, open_models
from nodes.models.clients import find_obstacle
from nodes.models.embedded import platform_check
from nodes.models.embedded.weights import QWEN_CODER
from nodes.models.port import ModelError
from nodes.models.selectors import DEFAULT, Selected, build_selection
from server.cli.checks.finding import Finding, fault, note, ok

_PATIENCE: Final = 30.0


async def check_models(settings: Settings, agents: AgentsFile) -> AsyncIterator[Finding]:
    chosen: dict[Selected, AgentSpec] = {}
    for finding in _choose(settings, agents, chosen):
        yield finding
    once = settings.model_copy(update={"model_retries": 0})  # that it is asked again would be taken for its answer
    async with open_models(once, agents) as models:
        for selected, agent in chosen.items():
            if selected.provider == "embedded":
                yield _check_embedded(settings)
            else:
                yield await _ask(models, selected, agent)


def _choose(settings: Settings, agents: AgentsFile, chosen: dict[Selected, AgentSpec]) -> Iterator[Finding]:
    """Fills `chosen` with each model that can be asked and an agent that does; yields what stands in others' way."""
    aliases = {DEFAULT: settings.default_selector, **agents.models}
    for agent in (agent for agent in agents.agents if agent.enabled):
        try:
            selection = build_selection(agent.selectors, aliases)
        except ModelError as error:
            yield fault("model", f"agent {agent.id}: {error}")
            continue
        obstacles = {selected: find_obstacle(selected, settings) for selected in selection}
        usable = [selected for selected, obstacle in obstacles.items() if obstacle is None]
        tell = note if usable else fault
        yield from (tell("model", f"agent {agent.id}: {obstacle}") for obstacle in obstacles.values() if obstacle)
        for selected in usable:
            chosen.setdefault(selected, agent)


async def _ask(models: Models, selected: Selected, agent: AgentSpec) -> Finding:
    model = models.for_agent(agent.model_copy(update={"model": str(selected)}))
    replies = cast(Any, model.stream([HumanMessage("Answer with the word: ok")]))  # a generator: it can be closed
    try:
        async with asyncio.timeout(_PATIENCE), aclosing(replies):
            await anext(replies, None)
    except ModelError as error:
        return fault("model", f"{selected}: {error}")
    except TimeoutError:
        return fault("model", f"{selected} said nothing for {_PATIENCE:g} s: choose a quicker one, or try again")
    return ok("model", f"{selected} answers")


def _check_embedded(settings: Settings) -> Finding:
    if obstacle := platform_check.find_obstacle():
        return fault("model", obstacle)
    path = QWEN_CODER.path_in(settings.model_dir)
    if not path.is_file():
        when = "the first start fetches it (1.1 GB), and `open-agent model pull` does so now"
        return note("model", f"the embedded model is not in {settings.model_dir} yet: {when}")
    if path.stat().st_size != QWEN_CODER.size:
        return fault("model", f"{path} is not whole: delete it and run `open-agent model pull`")
    return ok("model", f"the embedded model is in {settings.model_dir}")
