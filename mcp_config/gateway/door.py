"""The gateway's door: HTTP requests, already authenticated, come in here and find their session. Knows ASGI only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from mcp_config.gateway.admission import Admission, CountedSessions
from mcp_config.gateway.calling import Duties
from mcp_config.gateway.endpoint import Endpoint
from mcp_config.gateway.face import Face, UnknownServer
from mcp_config.gateway.terms import Terms
from mcp_config.gateway.visit import CALLER, Sessions
from mcp_config.registry import ToolRegistry
from mcp_config.tools import Caller

Message = MutableMapping[str, Any]  # Any: ASGI's own shapes
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_SESSION: Final = b"mcp-session-id"


class Gateway:
    def __init__(self, managers: dict[str | None, StreamableHTTPSessionManager]) -> None:
        self._managers = managers

    async def handle(self, server: str | None, caller: Caller, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one HTTP request to `/mcp` (None) or `/mcp/{server}`.

        Raises:
            UnknownServer: there is none of this name.
            TooManySessions: the caller has as many open as anyone may; nothing has been answered.
        """
        if (manager := self._managers.get(server)) is None:
            raise UnknownServer(server)
        if not any(name == _SESSION for name, _ in scope["headers"]) and isinstance(manager.app, Endpoint):
            await manager.app.face.settled()  # a new session: what it is told it can do is fixed for its life
        # a session is its principal's: to another the SDK says that it is not there
        token = AccessToken(token="", client_id=f"{caller.role}:{caller.owner}", scopes=[])
        inner = {**scope, "user": AuthenticatedUser(token), CALLER: caller}
        await manager.handle_request(inner, receive, send)


@contextlib.asynccontextmanager
async def open_gateway(registry: ToolRegistry, duties: Duties, terms: Terms, version: str) -> AsyncIterator[Gateway]:
    """Yields the gateway to all servers of the registry; its sessions end with it."""
    names: list[str | None] = [None, *(connection.config.name for connection in registry.connections)]
    sessions: list[Sessions] = []
    endpoints = {name: Endpoint(Face(registry, name), duties, version, sessions) for name in names}
    guard, admission = _build_guard(terms), Admission(terms)
    managers: dict[str | None, StreamableHTTPSessionManager] = {
        name: CountedSessions(endpoint, guard, admission) for name, endpoint in endpoints.items()
    }
    with contextlib.ExitStack() as stack:
        for endpoint in endpoints.values():
            stack.enter_context(_watching(endpoint, registry))
        stop = asyncio.Event()
        ups = [asyncio.Event() for _ in managers]
        owners = [asyncio.create_task(_own(m, up, stop)) for m, up in zip(managers.values(), ups, strict=True)]
        try:
            for up in ups:
                await up.wait()
            yield Gateway(managers)
        finally:
            stop.set()
            for call in (*duties.calls,):
                call.cancel()
            await asyncio.gather(*owners, *duties.calls, return_exceptions=True)


async def _own(manager: StreamableHTTPSessionManager, up: asyncio.Event, stop: asyncio.Event) -> None:
    # a task of its own: what breaks in the manager's task group must not cancel the whole product
    async with manager.run():
        up.set()
        await stop.wait()


@contextlib.contextmanager
def _watching(endpoint: Endpoint, registry: ToolRegistry) -> Iterator[None]:
    registry.watchers.add(endpoint.tools_changed)
    for connection in endpoint.face.connections:
        connection.watchers.add(endpoint.notice)
    try:
        yield
    finally:
        registry.watchers.discard(endpoint.tools_changed)
        for connection in endpoint.face.connections:
            connection.watchers.discard(endpoint.notice)


def _build_guard(terms: Terms) -> TransportSecuritySettings:
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=list(terms.hosts), allowed_origins=list(terms.origins)
    )
