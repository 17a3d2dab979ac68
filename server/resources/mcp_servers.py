"""Tool servers and the logins to them, as the API shows them."""

from typing import Literal

from pydantic import Field

from graph.events import Moment
from mcp_config.entries.server_config import Transport
from mcp_config.sandbox.grants import Kind
from mcp_config.server_health import ServerState
from server.resources.resource import Request, Resource

LoginState = Literal["none", "pending", "failed", "logged_in"]


class ServerLogin(Resource):
    """Whose login calls of the caller's go with, and how it stands."""

    state: LoginState
    """`pending`: a person was sent to agree. `failed`: the last attempt came to nothing."""
    per_user: bool
    """Whether each user logs in for themselves; otherwise an admin does for all."""
    detail: str
    """How to log in, why it failed, or what the login does not allow."""


class McpServer(Resource):
    """A tool server from the configuration."""

    name: str = Field(examples=["linear"])
    transport: Transport
    state: ServerState
    """`auth_required`: it wants a login. Where each user logs in, this is the session that lists the tools."""
    detail: str
    tools: int
    required: bool
    sandbox: Kind
    login: ServerLogin | None
    """Null where nobody can log in."""


class NewLogin(Request):
    """How to log in."""

    shared: bool = Field(
        default=False,
        description="Where each user logs in: log in the session that lists what the server offers (admins only).",
    )


class StartedLogin(Resource):
    """What to open in a browser. It is for who asked for it: whoever agrees there lends that one their access."""

    authorization_url: str = Field(examples=["https://auth.example.com/authorize?response_type=code&state=…"])
    expires_at: Moment
