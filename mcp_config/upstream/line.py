"""The line between a call at work and whoever made it: progress winds the call's clock, and a question stops both.

It ends with the call: nobody is asked any more for a server that has answered, or that nobody waits for.
"""

import asyncio
from typing import Any

from mcp_config.talkback import Client, Params
from mcp_config.upstream.call_deadline import CallDeadline


class Line:
    """Satisfies `mcp_config.talkback.Client` for one call, whose own client, if it has one, may be none that asks."""

    def __init__(self, client: Client, deadline: CallDeadline) -> None:
        self._client, self._deadline = client, deadline
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def progressed(self, progress: float, total: float | None, message: str | None) -> None:
        self._client.progressed(progress, total, message)

    def logged(self, params: Params) -> None:
        self._client.logged(params)

    async def sample(self, params: Params) -> Params | None:
        return await self._client.sample(params)

    def elicits(self, mode: str = "form") -> bool:
        return self._client.elicits(mode)

    async def elicit(self, params: Params) -> Params | None:
        asking = asyncio.ensure_future(self._client.elicit(params))
        try:
            waits: set[asyncio.Future[Any]] = {asking, self._over}  # they hold different things
            with self._deadline.paused():
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else {"action": "cancel"}
        finally:
            asking.cancel()
