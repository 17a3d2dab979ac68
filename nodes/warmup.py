"""Waiting for tool servers and models that are still starting, and saying so while it lasts."""

import asyncio
from collections.abc import Callable
from typing import Final

from config.agents import AgentSpec
from mcp_config.tools import ToolBox
from nodes.models.port import ChatModel

_NOTICEABLE: Final = 0.3
"""Seconds after which a wait is worth a word."""

Say = Callable[[str], None]


async def wait_for_tools(tools: ToolBox, agent: AgentSpec, say: Say) -> None:
    if names := tools.warming(agent.allowed_tools):
        say(f"Waiting for the {_list(names)} to start…\n")
        await tools.ready(agent.allowed_tools)


async def wait_for_model(model: ChatModel, say: Say) -> None:
    """Raises `ModelError` when the model cannot start."""
    waiting = asyncio.ensure_future(model.ready())
    try:
        if not (await asyncio.wait({waiting}, timeout=_NOTICEABLE))[0]:
            say(f"Waiting for the model {model.name} to start…\n")
        await waiting
    finally:
        waiting.cancel()


def _list(names: list[str]) -> str:
    return f"{names[0]} server" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} servers"
