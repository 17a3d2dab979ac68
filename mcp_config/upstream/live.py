"""One session that is up: the requests in flight, and a mailbox of what its owner has to see to."""

import asyncio
from dataclasses import dataclass, field

from mcp_config.errors import ToolError
from mcp_config.talkback import Client, Switchboard
from mcp_config.tools import JsonObject
from mcp_config.upstream.sdk import Session


@dataclass(frozen=True)
class Abandoned:
    """A request nobody waits for any more; `late` when its deadline passed."""

    request: int
    late: bool


class ToolsChanged: ...


@dataclass
class Live:
    session: Session
    board: Switchboard
    mailbox: asyncio.Queue[Abandoned | ToolsChanged | ToolError] = field(default_factory=asyncio.Queue)

    async def request(
        self, method: str, params: JsonObject, client: Client | None, deadline: asyncio.Timeout
    ) -> JsonObject:
        """Asks and returns the raw result. Who stops waiting leaves it to the owner to tell the server."""
        sent: list[int] = []
        try:
            with self.board.joined(client):
                return await self.session.request(method, params, sent.append, client)
        except asyncio.CancelledError:
            for number in sent:
                self.mailbox.put_nowait(Abandoned(number, late=deadline.expired()))
            raise
