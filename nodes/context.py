"""What a run hands to its nodes beside the state. Never checkpointed: it is made anew at each claim."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from config.agents import AgentSpec
from config.api_keys import Role
from mcp_config.tools import Caller, ToolBox, ToolResult
from nodes.models.port import ChatModel


class ModelCatalog(Protocol):
    """Chat models by agent."""

    def for_agent(self, agent: AgentSpec, *, images: bool = False) -> ChatModel:
        """Returns the agent's model with its fallbacks; one that sees when the prompt holds images.

        Raises `ModelError` when no selector of the agent can be used, saying what to configure.
        """


@dataclass(frozen=True)
class RunContext:
    run_id: str
    owner: str
    agents: Mapping[str, AgentSpec]
    """The enabled agents of the registry revision that the run was planned on, router included."""
    models: ModelCatalog
    tools: ToolBox
    role: Role = "user"
    acknowledged: bool = False
    """Whether somebody keeps a log and sets the receipts of tool calls; false in Studio and notebooks."""

    earlier_calls: Mapping[str, ToolResult | None] = field(default_factory=dict)
    """Tool calls of earlier attempts by call id: their results, or None for one that was started and never ended."""

    def caller(self, agent: str) -> Caller:
        return Caller(owner=self.owner, agent=agent, run_id=self.run_id, role=self.role)
