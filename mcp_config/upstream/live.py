"""One session that is up: the requests in flight, and a mailbox of what its owner has to see to."""

import asyncio
from dataclasses import dataclass, field

from mcp_config.errors import ServerLost, ToolError
from mcp_config.talkback import Client, Switchboard
from mcp_config.tools import JsonObject
from mcp_config.upstream.call_deadline import CallDeadline
from mcp_config.upstream.doubt import Doubt
from mcp_config.upstream.line import Line
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

    def __post_init__(self) -> None:
        self.doubt = Doubt(self.session, self.restart)

    def restart(self) -> None:
        self.session.lose(ServerLost("did not answer in time and is started again"))

    async def request(
        self, method: str, params: JsonObject, client: Client | None, deadline: CallDeadline
    ) -> JsonObject:
        """Asks and returns the raw result. Who stops waiting leaves it to the owner to tell the server."""
        sent: list[int] = []
        line = Line(client, deadline) if client is not None else None

        def on_progress(progress: float, total: float | None, message: str | None) -> None:
            deadline.stir()
            if line is not None:
                line.progressed(progress, total, message)

        await self.doubt.settled()
        deadline.stir()  # it waited for the server to be up until now
        try:
            with self.board.joined(line):
                return await self.session.request(method, params, sent.append, on_progress)
        except asyncio.CancelledError:
            for number in sent:
                self.mailbox.put_nowait(Abandoned(number, late=deadline.expired))
                self.doubt.begin()
            raise
        finally:
            if line is not None:
                line.close()
