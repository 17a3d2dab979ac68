"""Tool policies as data: what `config/tool_policies.yaml` may say. Deciding by them is `mcp_config`'s work."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PositiveFloat, PositiveInt

from config.agents import Limits, Redaction
from config.api_keys import ROLES, Role
from config.policy_texts import Glob, Pointer, RateText
from config.yaml_file import load_yaml

Verdict = Literal["allow", "ask", "deny"]
Tag = Literal["private_read", "untrusted_input", "external_send"]
"""What a tool lets a run do: read what is private, read what anybody may have written, send something out."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Condition(_Strict):
    """One test of one argument, found by its JSON pointer; all that are given must hold. With none it must be there."""

    argument: Pointer
    equals: JsonValue = None
    one_of: list[JsonValue] | None = None
    matches: str | None = None
    """A glob, not a regular expression: its cost is bounded."""
    max_length: PositiveInt | None = None


class Rule(_Strict):
    """Who may call what. The strictest matching verdict wins: deny before ask before allow."""

    match: Glob = Field(min_length=1)
    """A glob over `server__tool`."""
    agents: list[Glob] = ["*"]
    """Globs over agent ids; a person who calls over REST is `-`."""
    users: list[Glob] = ["*"]
    """Globs over the names on whose behalf the call is made: a key's name, or a user of Open WebUI."""
    roles: list[Role] = list(ROLES)
    when: list[Condition] = []
    verdict: Verdict
    reason: str = ""


class ToolSettings(_Strict):
    """How a tool is run; the most specific matching entry of `tools:` decides each key."""

    rate: RateText | None = None
    """For each tool of its own, whoever calls it."""
    timeout: PositiveFloat | None = None
    """Seconds for one call."""
    idle_timeout: PositiveFloat | None = None
    """Seconds that its server may say nothing of a call; each report of its progress begins them anew."""
    max_result: PositiveInt | None = None
    """Bytes of a result that the model is given."""
    sandbox: Literal["auto", "bwrap", "landlock", "none"] | None = None
    tags: list[Tag] | None = None
    idempotent: bool | None = None
    return_direct: bool | None = None
    after: str | None = None
    """Another tool: an agent that may use it is offered this one only once that one has answered in the same step."""
    redact: list[Redaction] | None = None
    """Personal data that is taken out of its results; secrets always are."""


class CallerRates(_Strict):
    """How often one agent, and one user, may call tools, all tools together; the most specific glob decides."""

    agents: dict[Glob, RateText] = {}
    """Keys are globs over agent ids."""
    users: dict[Glob, RateText] = {}
    """Keys are globs over the names on whose behalf calls are made."""


class ToolPolicies(_Strict):
    """The whole of `tool_policies.yaml`. A tool that no rule matches is denied."""

    rules: list[Rule] = []
    tools: dict[Glob, ToolSettings] = {}
    """Keys are globs over `server__tool`; `*` holds the defaults."""
    rates: CallerRates = CallerRates()
    limits: Limits = Limits()
    """Budgets of every run, whoever asks for it."""


def load_policies(path: Path) -> ToolPolicies:
    """Returns what the file says.

    Raises:
        ConfigError: it cannot be read, or its mistakes with line and key.
    """
    return load_yaml(path, ToolPolicies)
