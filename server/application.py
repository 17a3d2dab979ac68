"""What a running server is made of, as routes see it. Built in `server/composition.py`, never changed afterwards."""

import asyncio
from dataclasses import dataclass, field

from config.redaction import Redactor
from mcp_config.gateway.door import Gateway
from mcp_config.registry import ToolRegistry
from mcp_config.tools import Ledger
from nodes.models.catalog import Models
from server.completions.terms import Terms
from server.db.store import Store
from server.db.user_credentials import UserCredentials
from server.engine.approving import Approving
from server.engine.engine import Engine
from server.engine.memories import Memories
from server.identity.credentials import Credentials
from server.metrics import Metrics
from server.policies import PolicyBook
from server.registry import AgentRegistry


@dataclass(frozen=True)
class Application:
    credentials: Credentials
    user_credentials: UserCredentials
    """For tool servers that want one of each user."""
    store: Store
    agents: AgentRegistry
    policies: PolicyBook
    models: Models
    tools: ToolRegistry
    engine: Engine
    memories: Memories
    terms: Terms
    ledger: Ledger
    """Where calls are written down that no run makes."""
    approving: Approving
    gateway: Gateway
    metrics: Metrics
    redactor: Redactor
    """What stands before everything that is written down or told."""
    reader_timeout: float
    """Seconds that a reader of a stream may take nothing before it is dropped."""
    ousted: asyncio.Event
    """Set when another engine has taken the database: this one has to go."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to stop: it is no longer ready, and streams end with a hint to come back."""

    def drain(self) -> None:
        """Begins nothing any more, and has what is at work come to a good place."""
        self.draining.set()
        self.approving.questioning.stop()
        self.engine.drain()

    async def drained(self) -> None:
        """Returns once nothing is at work."""
        await self.engine.drained()
