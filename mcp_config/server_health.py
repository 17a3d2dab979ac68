"""How a server is, as everyone is told who asks."""

from dataclasses import dataclass
from typing import Literal

from mcp_config.sandbox.grants import Kind

ServerState = Literal["starting", "ready", "degraded", "failed", "auth_required", "off"]


@dataclass(frozen=True)
class ServerHealth:
    """How a server is. `degraded`: it works, or is being started again, and `detail` says what is amiss.

    `off`: it is not started, for lack of what it needs here; that is no failure. `auth_required`: it wants a login.
    """

    state: ServerState
    detail: str = ""
    tools: int = 0
    required: bool = False
    sandbox: Kind = "none"
    """The one in force."""
