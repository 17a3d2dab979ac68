"""The one module that knows the MCP SDK and its LangChain adapters: sessions over stdio and HTTP, and tool conversion.

Everything it hands out is ours: plain JSON, and the errors of `errors.py`. A move to another SDK ends here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.interceptors import MCPToolCallRequest
from langchain_mcp_adapters.sessions import SSEConnection, StdioConnection, StreamableHttpConnection, create_session
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp import ClientSession, McpError, types
from mcp.client.session import MessageHandlerFnT
from mcp.shared.message import SessionMessage
from mcp.shared.session import RequestResponder
from pydantic import BaseModel, ConfigDict, ValidationError

from mcp_config.bounded_http import build_http_client
from mcp_config.child import Child, LineTooLong, open_child
from mcp_config.errors import NeverSent, RemoteError, ResultTooLarge, ServerLost, ToolError
from mcp_config.guarded_network import build_check
from mcp_config.server_config import ServerConfig
from mcp_config.tools import JsonObject, ToolResult, ToolSpec
from mcp_config.warden import Warden

_MAX_GARBAGE: Final = 1000
"""Lines in a row that are no messages; a banner is shorter, a flood is longer."""
_EXIT_SECONDS: Final = 0.5
T = TypeVar("T")
_TOO_LONG: Final = "the server sent a message of more than 8 MiB; ask for less"


class _AnyObject(BaseModel):
    """A result as it came: what is in it is judged by us, piece by piece."""

    model_config = ConfigDict(extra="allow")


class Session:
    """One live session. Safe for many calls at once, from any task."""

    def __init__(self, client: ClientSession, lost: asyncio.Future[ToolError]) -> None:
        self._client = client
        self.lost = lost
        """Done once the session is over, with what calls in flight are told."""

    def lose(self, fault: ToolError) -> None:
        _settle(self.lost, fault)

    async def initialize(self) -> None:
        """Raises `ToolError` when the server ends or answers with an error, `ValueError` when it answers nonsense."""
        try:
            await self._unless_lost(self._client.initialize())
        except NeverSent:
            raise await self.why_lost() from None

    async def list_page(self, cursor: str | None) -> JsonObject:
        params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
        return await self._request(types.ClientRequest(types.ListToolsRequest(params=params)))

    async def call_tool(self, name: str, arguments: JsonObject, sent: Callable[[int], None]) -> JsonObject:
        """Calls and returns the raw result; `sent` is told the request's number, by which it can be cancelled.

        Raises:
            NeverSent: it did not leave.
            ServerLost, ResultTooLarge: the session ended first.
            RemoteError: the server answered with an error.
        """
        params = types.CallToolRequestParams(name=name, arguments=arguments)
        return await self._request(types.ClientRequest(types.CallToolRequest(params=params)), sent)

    async def ping(self) -> None:
        await self._request(types.ClientRequest(types.PingRequest()))

    async def cancel(self, request: int) -> None:
        """Tells the server that nobody waits for the request any more. The SDK does not do so by itself."""
        params = types.CancelledNotificationParams(requestId=request, reason="the caller no longer waits")
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await self._client.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))

    async def _request(self, request: types.ClientRequest, sent: Callable[[int], None] | None = None) -> JsonObject:
        result = await self._unless_lost(self._exchange(request, sent))
        return result.model_extra or {}

    async def _exchange(self, request: types.ClientRequest, sent: Callable[[int], None] | None) -> _AnyObject:
        if sent is not None:
            # private, but the only way to the number: it is taken by `send_request` in this same step
            sent(self._client._request_id)
        return await self._client.send_request(request, _AnyObject)

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
            return await asyncio.wait_for(asyncio.shield(self.lost), 2 * _EXIT_SECONDS)
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
                    raise RemoteError(f"{message} (code {code})") from None


@contextlib.asynccontextmanager
async def open_session(
    config: ServerConfig, warden: Warden, tools_changed: Callable[[], None]
) -> AsyncIterator[Session]:
    """Connects, not yet initialized. Enter and leave it in one task: the SDK's cancel scopes are bound to it.

    Raises:
        OSError: the program cannot be started.
    """

    lost: asyncio.Future[ToolError] = asyncio.get_running_loop().create_future()

    async def on_message(
        message: RequestResponder[types.ServerRequest, types.ClientResult] | types.ServerNotification | Exception,
    ) -> None:
        match message:
            case types.ServerNotification(root=types.ToolListChangedNotification()):
                tools_changed()
            case ValueError():  # over HTTP: an answer of a wrong kind, for which its caller would wait in vain
                _settle(lost, ServerLost(f"the server's answer is no MCP message: {describe_failure(message)}"))
            case _:
                pass

    opened = _open_stdio if config.transport == "stdio" else _open_http
    async with opened(config, warden, lost, on_message) as client:
        session = Session(client, lost)
        try:
            yield session
        finally:
            session.lose(ServerLost("the connection was ended"))


def _settle(lost: asyncio.Future[ToolError], fault: ToolError) -> None:
    if not lost.done():
        lost.set_result(fault)


@contextlib.asynccontextmanager
async def _open_http(
    config: ServerConfig, _: Warden, lost: asyncio.Future[ToolError], on_message: MessageHandlerFnT
) -> AsyncIterator[ClientSession]:
    def build_client(
        headers: dict[str, str] | None = None, timeout: httpx.Timeout | None = None, auth: httpx.Auth | None = None
    ) -> httpx.AsyncClient:
        check = build_check(config.url, private=config.private)
        return build_http_client(headers, timeout, auth, lambda: _settle(lost, ResultTooLarge(_TOO_LONG)), check)

    connection: StreamableHttpConnection | SSEConnection
    # a dict of its own for each session: the adapters write their callbacks into it
    shared = {"url": config.url, "headers": dict(config.headers), "httpx_client_factory": build_client}
    shared["session_kwargs"] = {"message_handler": on_message}
    if config.transport == "sse":
        connection = SSEConnection(transport="sse", **shared)  # type: ignore[typeddict-item]
    else:
        connection = StreamableHttpConnection(transport="streamable_http", **shared)  # type: ignore[typeddict-item]
    async with create_session(connection) as client:
        yield client


@contextlib.asynccontextmanager
async def _open_stdio(
    config: ServerConfig, warden: Warden, lost: asyncio.Future[ToolError], on_message: MessageHandlerFnT
) -> AsyncIterator[ClientSession]:
    async with open_child(config, warden) as child, anyio.create_task_group() as pumps:
        received, to_read = anyio.create_memory_object_stream[SessionMessage | Exception](16)
        to_send, sent = anyio.create_memory_object_stream[SessionMessage](0)
        async with (
            received,
            to_read,
            to_send,
            sent,
            ClientSession(to_read, to_send, message_handler=on_message) as client,
        ):
            pumps.start_soon(_pump_in, child, received, lost)
            pumps.start_soon(_pump_out, child, sent)
            yield client
        pumps.cancel_scope.cancel()


async def _pump_in(
    child: Child, received: MemoryObjectSendStream[SessionMessage | Exception], lost: asyncio.Future[ToolError]
) -> None:
    garbage = 0
    fault: ToolError | None = None
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        try:
            async for line in child.lines():
                if (message := _parse(line)) is not None:
                    garbage = 0
                    await received.send(message)
                elif (garbage := garbage + 1) > _MAX_GARBAGE:
                    fault = ServerLost("prints lines that are no MCP messages")
                    break
        except LineTooLong:
            fault = ResultTooLarge(_TOO_LONG)
    if fault is None:
        await child.settle(_EXIT_SECONDS)
        fault = ServerLost(child.last_words())
    _settle(lost, fault)
    received.close()


def _parse(line: bytes) -> SessionMessage | None:
    try:
        return SessionMessage(types.JSONRPCMessage.model_validate_json(line.decode(errors="replace")))
    except ValidationError:
        return None


async def _pump_out(child: Child, sent: MemoryObjectReceiveStream[SessionMessage]) -> None:
    # a child that reads no more is about to close its output too; the pump there tells why
    with contextlib.suppress(ConnectionError):
        async for message in sent:
            await child.write_line(message.message.model_dump_json(by_alias=True, exclude_none=True).encode())


def describe_failure(error: BaseException) -> str:
    """Returns in one plain line why a session could not be had."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case FileNotFoundError():
            return f"cannot be started: {error.filename} is not there"
        case httpx.HTTPStatusError() if error.response.status_code in (401, 403):
            return f"needs login: the server answered {error.response.status_code}; put a credential into `headers`"
        case httpx.HTTPStatusError():
            return f"the server answered {error.response.status_code}"
        case httpx.ConnectError() | httpx.TimeoutException():
            return "cannot be reached"
        case ValidationError():
            return "does not answer as an MCP server should"
        case _:
            return str(error).partition("\n")[0] or type(error).__name__


def build_langchain_tool(spec: ToolSpec, call: Callable[[JsonObject], Awaitable[ToolResult]]) -> BaseTool:
    """Returns the tool as LangChain knows tools. Its only way to the server is `call`."""

    async def route(request: MCPToolCallRequest, handler: object) -> types.CallToolResult:
        del handler  # the adapters' own way, a new process for each call
        result = await call(request.args)
        structured = result.structured if isinstance(result.structured, dict) else None
        content = types.TextContent(type="text", text=result.content)
        return types.CallToolResult(content=[content], structuredContent=structured, isError=result.status != "ok")

    tool = types.Tool(name=spec.name, description=spec.description, inputSchema=spec.model_schema)
    nowhere = StdioConnection(transport="stdio", command="", args=[])
    return convert_mcp_tool_to_langchain_tool(None, tool, connection=nowhere, tool_interceptors=[route])
