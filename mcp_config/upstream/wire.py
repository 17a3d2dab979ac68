"""The ways to a server, as the SDK's client sessions: lines over a child's pipes, and HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from pydantic_core import from_json

from mcp_config.entries.login_advice import build_login_advice
from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import ResultTooLarge, ServerLost, ToolError
from mcp_config.talkback import Ears
from mcp_config.upstream.bounded_http import build_http_client
from mcp_config.upstream.child import Child, LineTooLong, open_child
from mcp_config.upstream.guarded_network import build_check
from mcp_config.upstream.hearing import HearingSession
from mcp_config.upstream.message_size import TOO_LONG, find_excess
from mcp_config.upstream.warden import Warden

EXIT_SECONDS: Final = 0.5
_MAX_GARBAGE: Final = 1000
"""Lines in a row that are no messages; a banner is shorter, a flood is longer."""
_ANSWER_SECONDS: Final = 30.0
_SILENCE_SECONDS: Final = 300.0
"""Of a stream of events; calls have deadlines of their own."""


def settle(lost: asyncio.Future[ToolError], fault: ToolError) -> None:
    if not lost.done():
        lost.set_result(fault)


@contextlib.asynccontextmanager
async def open_wire(
    config: ServerConfig, warden: Warden, lost: asyncio.Future[ToolError], ears: Ears, auth: httpx.Auth | None = None
) -> AsyncIterator[HearingSession]:
    """Connects. `lost` is told why the connection ended, as far as the wire knows. `auth` is for HTTP.

    Raises:
        OSError: the program cannot be started.
    """
    if config.transport == "stdio":
        opened = _open_stdio(config, warden, lost, ears)
    else:
        opened = (_open_http if config.transport == "http" else _open_sse)(config, lost, ears, auth)
    async with opened as session:
        yield session


@contextlib.asynccontextmanager
async def _open_http(
    config: ServerConfig, lost: asyncio.Future[ToolError], ears: Ears, auth: httpx.Auth | None
) -> AsyncIterator[HearingSession]:
    timeout = httpx.Timeout(_ANSWER_SECONDS, read=_SILENCE_SECONDS)
    async with (
        _build_client(config, lost, _headers(config), timeout, auth) as client,
        streamable_http_client(config.url, http_client=client) as (received, sent, _),
        HearingSession(received, sent, lost, ears) as session,
    ):
        yield session


@contextlib.asynccontextmanager
async def _open_sse(
    config: ServerConfig, lost: asyncio.Future[ToolError], ears: Ears, auth: httpx.Auth | None
) -> AsyncIterator[HearingSession]:
    def build(
        headers: dict[str, str] | None = None, timeout: httpx.Timeout | None = None, auth: httpx.Auth | None = None
    ) -> httpx.AsyncClient:
        return _build_client(config, lost, headers, timeout, auth)

    async with (
        sse_client(config.url, _headers(config), httpx_client_factory=build, auth=auth) as (received, sent),
        HearingSession(received, sent, lost, ears) as session,
    ):
        yield session


def _headers(config: ServerConfig) -> dict[str, str]:
    """Raises: OSError, the file with the key is not there (yet)."""
    if config.bearer_file is None:
        return {**config.headers, **config.list_headers}
    return {**config.headers, "Authorization": f"Bearer {Path(config.bearer_file).read_text().strip()}"}


def _build_client(
    config: ServerConfig,
    lost: asyncio.Future[ToolError],
    headers: dict[str, str] | None,
    timeout: httpx.Timeout | None,
    auth: httpx.Auth | None,
) -> httpx.AsyncClient:
    # also for what `auth` asks of other servers, which are named by strangers
    check = build_check(config.url, private=config.private)

    def too_big(excess: str) -> None:
        settle(lost, ResultTooLarge(excess))

    refused = partial(settle, lost)
    return build_http_client(headers, timeout, auth, too_big, refused, check, build_login_advice(config))


@contextlib.asynccontextmanager
async def _open_stdio(
    config: ServerConfig, warden: Warden, lost: asyncio.Future[ToolError], ears: Ears
) -> AsyncIterator[HearingSession]:
    async with open_child(config, warden) as child, anyio.create_task_group() as pumps:
        received, to_read = anyio.create_memory_object_stream[SessionMessage | Exception](16)
        to_send, sent = anyio.create_memory_object_stream[SessionMessage](0)
        async with received, to_read, to_send, sent, HearingSession(to_read, to_send, lost, ears) as session:
            pumps.start_soon(_pump_in, child, received, lost)
            pumps.start_soon(_pump_out, child, sent)
            yield session
        pumps.cancel_scope.cancel()


async def _pump_in(
    child: Child, received: MemoryObjectSendStream[SessionMessage | Exception], lost: asyncio.Future[ToolError]
) -> None:
    garbage = 0
    fault: ToolError | None = None
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        try:
            async for line in child.lines():
                if excess := find_excess(line):
                    fault = ResultTooLarge(excess)
                    break
                if (message := _parse(line)) is not None:
                    garbage = 0
                    await received.send(message)
                elif (garbage := garbage + 1) > _MAX_GARBAGE:
                    fault = ServerLost("prints lines that are no MCP messages")
                    break
        except LineTooLong:
            fault = ResultTooLarge(TOO_LONG)
    if fault is None:
        await child.settle(EXIT_SECONDS)
        fault = ServerLost(child.last_words())
    settle(lost, fault)
    received.close()


def _parse(line: bytes) -> SessionMessage | None:
    try:
        # parsed first, for the SDK's models try each kind of message on the text anew: five times the time
        return SessionMessage(types.JSONRPCMessage.model_validate(from_json(line.decode(errors="replace"))))
    except ValueError:  # also pydantic's
        return None


async def _pump_out(child: Child, sent: MemoryObjectReceiveStream[SessionMessage]) -> None:
    # a child that reads no more is about to close its output too; the pump there tells why
    with contextlib.suppress(ConnectionError):
        async for message in sent:
            await child.write_line(message.message.model_dump_json(by_alias=True, exclude_none=True).encode())
