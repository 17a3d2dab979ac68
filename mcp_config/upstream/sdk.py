"""Sessions with MCP servers over stdio and HTTP, by the MCP SDK.

Everything it hands out is ours: plain JSON, and the errors of `errors.py`. A move to another SDK ends here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import anyio
import httpx
from mcp import ClientSession, McpError, types
from pydantic import BaseModel, ConfigDict, ValidationError

from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import NeverSent, RemoteError, ServerLost, ServerRefused, ToolError
from mcp_config.talkback import Ears
from mcp_config.tools import JsonObject
from mcp_config.upstream.proof import Proof, no_proof
from mcp_config.upstream.warden import Warden
from mcp_config.upstream.wire import EXIT_SECONDS, open_wire, settle

T = TypeVar("T")
OnProgress = Callable[[float, float | None, str | None], None]
"""Told how far a request is: a number, of how many, and in words."""


class _AnyObject(BaseModel):
    """A result as it came: what is in it is judged by us, piece by piece."""

    model_config = ConfigDict(extra="allow")


class Session:
    """One live session. Safe for many calls at once, from any task."""

    def __init__(self, client: ClientSession, lost: asyncio.Future[ToolError]) -> None:
        self._client = client
        self.lost = lost
        """Done once the session is over, with what calls in flight are told."""
        self.offers: JsonObject = {}
        """The server's capabilities, in its own words."""

    @property
    def refusal(self) -> ServerRefused | None:
        """The HTTP status that ended the session, if one did."""
        fault = self.lost.result() if self.lost.done() else None
        return fault if isinstance(fault, ServerRefused) else None

    def lose(self, fault: ToolError) -> None:
        settle(self.lost, fault)

    async def initialize(self) -> None:
        """Raises `ToolError` when the server ends or answers with an error, `ValueError` when it answers nonsense."""
        try:
            greeting = await self._unless_lost(self._client.initialize())
        except NeverSent:
            raise await self.why_lost() from None
        self.offers = greeting.capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def list_page(self, cursor: str | None) -> JsonObject:
        return await self.request("tools/list", {"cursor": cursor} if cursor is not None else {})

    async def request(
        self,
        method: str,
        params: JsonObject,
        sent: Callable[[int], None] | None = None,
        progressed: OnProgress | None = None,
    ) -> JsonObject:
        """Asks and returns the raw result; `sent` is told the request's number, by which it can be cancelled, and
        `progressed` how far it is.

        Raises:
            NeverSent: it did not leave.
            ServerLost, ResultTooLarge: the session ended first.
            RemoteError: the server answered with an error.
        """
        asked = types.ClientRequest.model_validate({"method": method, "params": params})
        result = await self._unless_lost(self._exchange(asked, sent, progressed))
        return result.model_extra or {}

    async def ping(self) -> None:
        await self.request("ping", {})

    async def cancel(self, request: int) -> None:
        """Tells the server that nobody waits for the request any more. The SDK does not do so by itself."""
        params = types.CancelledNotificationParams(requestId=request, reason="the caller no longer waits")
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await self._client.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))

    async def _exchange(
        self, request: types.ClientRequest, sent: Callable[[int], None] | None, progressed: OnProgress | None
    ) -> _AnyObject:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            if progressed is not None:
                progressed(progress, total, message)

        if sent is not None:
            # private, but the only way to the number: it is taken by `send_request` in this same step
            sent(self._client._request_id)
        heard = on_progress if progressed is not None else None  # a server reports to who gives it a token
        return await self._client.send_request(request, _AnyObject, progress_callback=heard)

    async def _unless_lost(self, work: Coroutine[object, object, T]) -> T:
        """Does the work, but not beyond the session's end: that does not wake in every case who waits for an answer."""
        if self.lost.done():
            work.close()
            raise NeverSent
        exchange = asyncio.ensure_future(work)
        try:
            waits: set[asyncio.Future[Any]] = {exchange, self.lost}  # they hold different things
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if exchange.done():
                with self._our_errors():
                    return exchange.result()
        except ServerLost:
            pass
        finally:
            exchange.cancel()
            # gathered, not awaited: what it raises now is of no interest
            await asyncio.gather(exchange, return_exceptions=True)
        raise await self.why_lost()

    async def why_lost(self) -> ToolError:
        """Returns what ended the session: its transport knows, and says so a moment later."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self.lost), 2 * EXIT_SECONDS)
        return ServerLost("the connection was closed")

    @contextlib.contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            raise NeverSent from None
        except McpError as error:
            match (error.error.code, error.error.message):
                case (types.CONNECTION_CLOSED, "Connection closed"):
                    raise ServerLost("the connection was closed") from None
                case (32600, "Session terminated"):  # how the SDK tells 404: the server took no notice of the request
                    self.lose(ServerLost("the server ended the session"))
                    raise NeverSent from None
                case (code, message):
                    raise RemoteError(message, code) from None


@contextlib.asynccontextmanager
async def open_session(
    config: ServerConfig, warden: Warden, ears: Ears, proof: Proof = no_proof
) -> AsyncIterator[Session]:
    """Connects, not yet initialized. Enter and leave it in one task: the SDK's cancel scopes are bound to it.

    Raises:
        OSError: the program cannot be started.
    """
    lost: asyncio.Future[ToolError] = asyncio.get_running_loop().create_future()
    async with open_wire(config, warden, lost, ears, await proof()) as client:
        session = Session(client, lost)
        try:
            yield session
        finally:
            session.lose(ServerLost("the connection was ended"))


def describe_failure(error: BaseException) -> str:
    """Returns in one plain line why a session could not be had."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case FileNotFoundError():
            return f"cannot be started: {error.filename} is not there"
        case httpx.HTTPStatusError():
            return f"the server answered {error.response.status_code}"
        case httpx.ConnectError() | httpx.TimeoutException():
            return "cannot be reached"
        case ValidationError():
            return "does not answer as an MCP server should"
        case _:
            return str(error).partition("\n")[0] or type(error).__name__
