"""Agents and their versions, as clients see them."""

from pydantic import Field

from config.agents import AgentSpec
from graph.events import Moment
from server.resources.resource import Request, Resource

Agent = AgentSpec
"""An agent is shown exactly as it is configured."""


class AgentVersion(Resource):
    """An agent as one change made it."""

    version: int
    created_at: Moment
    deleted_at: Moment | None
    """When the agent was deleted, for the version that was its last one then."""
    agent: Agent


class Rollback(Request):
    version: int = Field(ge=1, le=2**31 - 1)
    """The version whose content becomes the newest one."""
