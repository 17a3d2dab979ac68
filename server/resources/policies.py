"""The tool policies, as admins see and replace them."""

from typing import Literal

from pydantic import Field

from config.policies import ToolPolicies
from graph.events import Moment
from server.resources.resource import Request, Resource


class PolicySet(Resource):
    """The tool policies, as they are or were in force."""

    version: int
    """0 is the file's."""
    source: Literal["file", "api"]
    policies: ToolPolicies
    changed_by: str | None
    created_at: Moment | None


class NewPolicies(Request):
    """All tool policies, to replace those in force."""

    policies: ToolPolicies
    version: int | None = Field(None, ge=0, description="The version that this change is based on; another: 409.")
