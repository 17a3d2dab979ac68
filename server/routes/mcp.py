"""`/mcp` and `/mcp/{server}`: the gateway for MCP clients. They speak JSON-RPC over HTTP, not the REST of the rest."""

from typing import Final

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_config.gateway.door import Gateway
from mcp_config.gateway.face import UnknownServer
from mcp_config.tools import Caller
from server.errors import NotFound
from server.keys import Principal


class _Door:
    """An ASGI application: the gateway reads its requests, and streams its answers, itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal = scope["state"]["principal"]
        gateway: Gateway = scope["state"]["application"].gateway
        server = scope["path_params"].get("server")
        try:
            await gateway.handle(server, Caller(principal.name, role=principal.role), scope, receive, send)
        except UnknownServer:
            detail = "There is no MCP server of this name; GET /readyz lists those there are."
            raise NotFound("unknown_server", detail) from None


ROUTES: Final = (Route("/mcp", _Door()), Route("/mcp/{server}", _Door()))
