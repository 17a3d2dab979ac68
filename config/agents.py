"""Agents as data: what `config/agents.yaml` and `POST /v1/agents` may say."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from config.yaml_file import load_yaml

ROUTER: Final = "router"
GENERAL: Final = "general"
NEEDED: Final = (ROUTER, GENERAL)
"""Without a planner and somebody for everything else there is no plan."""
RESERVED: Final = frozenset({"dispatch", "synthesis", "model", "tools", "open-agent"})
"""Names of inner graph nodes and of the router's public model: no agent may have them."""

AgentId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
ModelSelector = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*(:.+)?$", max_length=200)]
"""`provider:name`, or an alias from `models:`."""
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z]+:.+$", max_length=200)]
"""`provider:name`, never an alias."""
ModelSelectors = Annotated[list[ModelSelector], Field(min_length=1, max_length=8)]
ToolGlob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_*?-]{1,80}$")]
Redaction = Literal["email", "phone", "card", "iban", "ip"]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; write something")
    return text


Prose = Annotated[str, AfterValidator(_not_blank), Field(min_length=1)]
"""Text that somebody reads: never only spaces."""
Words = Annotated[Prose, Field(json_schema_extra={"pattern": r"\S"})]
"""Prose whose JSON schema says that it is not blank. Long texts do without: nobody can generate them from a pattern."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Limits(_Strict):
    """Budgets of one run; the tightest of agent, policy and request wins. None is no limit of its own."""

    steps: PositiveInt | None = None
    """Steps begun, planning and synthesis included."""
    tool_calls: PositiveInt | None = None
    """Tool calls that models asked for."""
    tokens: PositiveInt | None = None
    """Tokens that model calls took, input and output together."""
    seconds: PositiveInt | None = None
    """Time at work; waiting in the queue or for an approval does not count."""
    cost_usd: PositiveFloat | None = None
    """What model calls cost by the `prices:` of agents.yaml."""


class Price(_Strict):
    """What a model costs, in US dollars for a million tokens."""

    input: NonNegativeFloat
    output: NonNegativeFloat


class SqlPolicy(_Strict):
    mode: Literal["read_only"] = "read_only"
    tables: list[str] | None = None
    """Tables the agent may read; None allows all of the configured database."""


class ApprovalPolicy(_Strict):
    tools: list[ToolGlob] = []
    """Tools that always need a person's approval when this agent calls them."""


class AgentPolicies(_Strict):
    redact: list[Redaction] = []
    sql: SqlPolicy = SqlPolicy()
    approval: ApprovalPolicy = ApprovalPolicy()
    limits: Limits = Limits()


class AgentSpec(_Strict):
    """One agent. It is a node of the graph, a model of the OpenAI-compatible API, and a row of the registry."""

    id: AgentId
    name: Words = Field(max_length=80)
    role: Literal["router", "specialist"] = "specialist"
    description: Words = Field(max_length=500)
    """What it is good at: the router plans by this text."""
    system_prompt: Prose = Field(max_length=20_000)
    model: ModelSelector | ModelSelectors = "default"
    """One selector, or a list whose later entries are fallbacks."""
    allowed_tools: list[ToolGlob] = Field([], max_length=500)
    policies: AgentPolicies = AgentPolicies()
    enabled: bool = True
    version: PositiveInt = 1

    @model_validator(mode="after")
    def _id_is_free(self) -> "AgentSpec":
        if self.id in RESERVED:
            raise ValueError(f"the id {self.id!r} is reserved; choose another")
        if (self.role == "router") != (self.id == ROUTER):
            raise ValueError("the agent `router` has the role `router`, and no other agent has it")
        return self

    @property
    def selectors(self) -> list[str]:
        """The models to try, in order."""
        return self.model if isinstance(self.model, list) else [self.model]


class AgentsFile(_Strict):
    """The whole of `agents.yaml`: model aliases, prices, and the agents that seed the registry."""

    models: dict[str, ModelSelector | ModelSelectors] = {}
    prices: dict[ModelName, Price] = {}
    agents: list[AgentSpec]

    @model_validator(mode="after")
    def _complete(self) -> "AgentsFile":
        ids = [agent.id for agent in self.agents]
        if twice := {agent_id for agent_id in ids if ids.count(agent_id) > 1}:
            raise ValueError(f"agent ids must be unique; given twice: {', '.join(sorted(twice))}")
        for needed in NEEDED:
            if needed not in ids:
                raise ValueError(f"an agent with the id {needed!r} is needed")
        return self


def load_agents(path: Path) -> AgentsFile:
    """Returns what the file says.

    Raises:
        ConfigError: it cannot be read, or its mistakes with line and key.
    """
    return load_yaml(path, AgentsFile)
