"""The audit, as admins see it."""

from pydantic import AwareDatetime, Field, JsonValue

from config.api_keys import Role
from graph.events import Moment
from server.resources.pages import PageQuery
from server.resources.resource import Resource


class AuditRecord(Resource):
    """One thing that was done, or refused."""

    id: str
    at: Moment
    principal: str
    role: Role
    agent: str | None
    action: str
    target: str
    rule: str | None
    outcome: str
    run_id: str | None
    request_id: str | None
    detail: dict[str, JsonValue]


class AuditQuery(PageQuery):
    """A page of the audit, of what fits all that is given."""

    principal: str | None = Field(None, max_length=200)
    action: str | None = Field(None, max_length=64, examples=["tool.call"])
    tool: str | None = Field(None, max_length=200)
    agent: str | None = Field(None, max_length=64)
    run_id: str | None = Field(None, max_length=64)
    outcome: str | None = Field(None, max_length=32, examples=["denied"])
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
