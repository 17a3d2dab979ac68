"""Tools as clients see them: what they are, what would become of a call, and definitions that nobody has approved."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from config.api_keys import Role
from config.policies import Verdict
from mcp_config.tools import RateScope
from server.resources.resource import Request, Resource


class Tool(Resource):
    name: str
    server: str
    description: str
    input_schema: dict[str, JsonValue]
    annotations: dict[str, JsonValue]


class RateLeft(Resource):
    """What is left of one rate limit: `limit` calls in each `window` of seconds."""

    scope: RateScope
    limit: int
    window: int
    remaining: int
    reset: int
    """Seconds until there is more."""


class PassedOverRule(Resource):
    """A rule for the tool that does not hold for the call."""

    rule: str
    verdict: Verdict
    unmet: str = Field(examples=["users", "when[0] (/url)"])
    """The key of the rule that keeps it from the call."""


class Check(Resource):
    """What would become of a tool call. Nothing was done to find out."""

    tool: str
    agent: str | None
    user: str
    role: Role
    verdict: Verdict
    rule: str
    """What said so."""
    reason: str
    passed_over: list[PassedOverRule]
    """Rules for this tool that do not hold for this call. Only admins are told: they name others."""
    arguments_error: str | None
    """Why the arguments do not fit the tool's schema."""
    rates: list[RateLeft]


class ToolApproval(Request):
    """A definition that a person takes for good."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="The definition that was looked at; without it, whatever it is now."
    )


class ToolChange(Resource):
    """A tool's definition that nobody has approved."""

    tool: str = Field(examples=["git__git_log"])
    server: str
    kind: Literal["new", "changed"]
    """`new`: the first one that was seen, and in use. `changed`: not the approved one, and put aside."""
    sha256: str
    """Names this definition: approving it approves no other."""
    before: dict[str, JsonValue] | None
    """What was approved or seen first; null for what is new, or was too long to be kept."""
    after: dict[str, JsonValue]
    suspicions: list[str]
    """What to look at twice."""
