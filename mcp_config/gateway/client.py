"""The client of one request, as the request's server may reach it meanwhile. Nothing here waits for a slow reader."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import anyio
from mcp import McpError, types
from mcp.server.session import ServerSession
from mcp.shared.context import RequestContext
from mcp.shared.message import ServerMessageMetadata
from pydantic import BaseModel, ConfigDict, ValidationError

from config.redaction import Redactor
from mcp_config.talkback import Params

LEVELS: Final[Sequence[str]] = get_args(types.LoggingLevel)
Context = RequestContext[ServerSession, Any, Any]  # the SDK's own types for what it is given and gives back
_MAX_WAITING: Final = 100
"""Notices for one request that are not sent yet; a server that floods loses the rest."""
_AT_ONCE: Final = 100
_EACH_SECOND: Final = 20.0
"""Notices that one request's client is sent; what its server says faster is dropped, before any work is done on it."""
_LAST_SECONDS: Final = 1.0


class _Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


class Pace:
    """A bucket of notices: so many may come at once, and so many more each second."""

    def __init__(self, at_once: float = _AT_ONCE, each_second: float = _EACH_SECOND) -> None:
        self._most, self._each_second = at_once, each_second
        self._left, self._seen = at_once, time.monotonic()

    def admits(self) -> bool:
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._seen) * self._each_second)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True)
class GatewayClient:
    """Satisfies `mcp_config.talkback.Client`."""

    context: Context
    level: str
    redactor: Redactor
    samples: bool
    """Whether its model may be asked at all."""
    outgoing: asyncio.Queue[types.ServerNotification | None]
    pace: Pace
    patience: float
    """Seconds that its user has to answer a question of a server; the call's own clocks stand still meanwhile."""

    def progressed(self, progress: float, total: float | None, message: str | None) -> None:
        token = self.context.meta.progressToken if self.context.meta else None
        if token is not None and self.pace.admits():
            params = types.ProgressNotificationParams(
                progressToken=token,
                progress=progress,
                total=total,
                message=self.redactor.text(message) if message else None,
            )
            self._put(types.ServerNotification(types.ProgressNotification(params=params)))

    def logged(self, params: Params) -> None:
        with contextlib.suppress(ValidationError, ValueError):
            if LEVELS.index(str(params.get("level"))) >= LEVELS.index(self.level) and self.pace.admits():
                logged = types.LoggingMessageNotificationParams.model_validate(self.redactor.value(params))
                self._put(types.ServerNotification(types.LoggingMessageNotification(params=logged)))

    def _put(self, notification: types.ServerNotification) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self.outgoing.put_nowait(notification)

    async def elicit(self, params: Params) -> Params | None:
        if not self.elicits(str(params.get("mode", "form"))):
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                return await self._ask("elicitation/create", params)
        return {"action": "cancel"}

    async def sample(self, params: Params) -> Params | None:
        abilities = self._abilities()
        if not self.samples or abilities is None or abilities.sampling is None:
            return None
        return await self._ask("sampling/createMessage", params)

    def elicits(self, mode: str = "form") -> bool:
        """Tells whether it can put a question to its user. One that names no mode means forms."""
        abilities = self._abilities()
        elicitation = abilities.elicitation if abilities else None
        if elicitation is None:
            return False
        return elicitation.url is not None if mode == "url" else (elicitation.form or not elicitation.url) is not None

    def _abilities(self) -> types.ClientCapabilities | None:
        params = self.context.session.client_params
        return params.capabilities if params else None

    async def _ask(self, method: str, params: Params) -> Params | None:
        try:
            asked = types.ServerRequest.model_validate({"method": method, "params": self.redactor.value(params)})
            related = ServerMessageMetadata(related_request_id=self.context.request_id)
            answer = await self.context.session.send_request(asked, _Anything, metadata=related)
        except (McpError, ValidationError, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return None  # it does not want to, or is gone
        return answer.model_extra

    async def pump(self) -> None:
        while (notification := await self.outgoing.get()) is not None:
            await self.context.session.send_notification(notification, self.context.request_id)


@contextlib.asynccontextmanager
async def open_client(
    context: Context, level: str, redactor: Redactor, *, samples: bool, patience: float
) -> AsyncIterator[GatewayClient]:
    """Yields the client of the request at hand; what it was still to be told is sent before this is left."""
    client = GatewayClient(context, level, redactor, samples, asyncio.Queue(_MAX_WAITING), Pace(), patience)
    pumping = asyncio.create_task(_quietly(client))
    try:
        yield client
        with contextlib.suppress(asyncio.QueueFull):
            client.outgoing.put_nowait(None)
            await asyncio.wait([pumping], timeout=_LAST_SECONDS)
    finally:
        pumping.cancel()


async def _quietly(client: GatewayClient) -> None:
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        await client.pump()
