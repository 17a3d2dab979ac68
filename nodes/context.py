"""What a run hands to its nodes beside the state. Never checkpointed: it is made anew at each claim."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from config.agents import AgentSpec
from config.api_keys import Role
from mcp_config.tools import Answer, Caller, ToolBox, ToolResult
from nodes.budget import Budget
from nodes.metered import MeteredModel
from nodes.models.port import ChatModel


class ModelCatalog(Protocol):
    """Chat models by agent."""

    def for_agent(self, agent: AgentSpec, *, images: bool = False) -> ChatModel:
        """Returns the agent's model with its fallbacks; one that sees when the prompt holds images.

        Raises `ModelError` when no selector of the agent can be used, saying what to configure.
        """

    def sees(self, agent: AgentSpec) -> bool:
        """Returns whether the agent has a model that is known to see images."""


class Artifacts(Protocol):
    """What tool calls have left that is too big for a prompt, or no text; the caller's own alone."""

    async def within_reach(self, caller: Caller) -> bool:
        """Returns whether the caller's run, or an earlier one of its conversation, has any."""

    async def pictures(self, caller: Caller, call_ids: Collection[str]) -> list[str]:
        """Returns the pictures that these calls brought as `data:` URLs, the newest few of them, oldest first."""


class Memories(Protocol):
    """What is remembered about the caller's user from earlier conversations."""

    async def relevant(self, caller: Caller, question: str) -> list[str]:
        """Returns what has to do with the question, the likeliest first; nothing where the agent may not recall."""


@dataclass(frozen=True)
class Surroundings:
    """What the house keeps for its runs. Notebooks and Studio have none of it."""

    artifacts: Artifacts | None = None
    memories: Memories | None = None


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
    answers: Mapping[str, Answer | None] = field(default_factory=dict)
    """What people said of calls that they were asked about, by call id; None where nobody has answered yet."""

    read: set[str] = field(default_factory=set)
    """Tools whose results this run has read or was given, in all its attempts; nodes add to it."""

    surroundings: Surroundings = Surroundings()
    may_reopen: bool = False
    """Whether the run is claimed anew when a model breaks off in mid-answer, so that its step can start over."""
    budget: Budget = field(default_factory=Budget)
    """What the run may spend, and what it has spent."""

    def metered(self, model: ChatModel, step_id: str, agent: str) -> MeteredModel:
        """Returns the model as a step of this run may use it."""
        return MeteredModel(model, self.budget, step_id, agent)

    def caller(self, agent: str) -> Caller:
        return Caller(owner=self.owner, agent=agent, run_id=self.run_id, role=self.role)
