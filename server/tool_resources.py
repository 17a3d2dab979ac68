"""The API's objects for tools whose definition nobody has approved."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from server.resources import Request, Resource


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
