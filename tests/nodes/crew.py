"""A small crew of agents for tests of routing, and a toolbox that is empty."""

from collections.abc import Sequence

from config.agents import AgentSpec
from mcp_config.tools import Approvals, Ledger, ToolCall, ToolResult, ToolSpec


class NoTools:
    """A `ToolBox` without tools: the router has no use for any."""

    def specs(self, allowed: Sequence[str]) -> list[ToolSpec]:
        return []

    async def ready(self, allowed: Sequence[str]) -> None:
        return None

    def warming(self, allowed: Sequence[str]) -> list[str]:
        return []

    async def call(self, call: ToolCall, ledger: Ledger, approvals: Approvals | None = None) -> ToolResult:
        return ToolResult("error", f"There is no tool {call.tool!r}.", "unknown_tool")


def crew(*specialists: str, disabled: tuple[str, ...] = ()) -> dict[str, AgentSpec]:
    """Returns the router and these specialists (some of those that ship, if none are named)."""
    names = specialists or ("general", "tool-agent", "sql-agent")
    return {name: member(name, enabled=name not in disabled) for name in ("router", *names)}


def member(name: str, description: str = "", *, enabled: bool = True) -> AgentSpec:
    return AgentSpec(
        id=name,
        name=name,
        role="router" if name == "router" else "specialist",
        description=description or f"What {name} is good at.",
        system_prompt=f"You are {name}.",
        enabled=enabled,
    )
