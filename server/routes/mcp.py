"""`/mcp` and `/mcp/{server}`: the gateway for MCP clients. They speak JSON-RPC over HTTP, not the REST of the rest."""

from typing import Final

from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_config.gateway.admission import TooManySessions
from mcp_config.gateway.door import Gateway
from mcp_config.gateway.face import UnknownServer
from mcp_config.tools import Caller
from server.body import read_again, read_json, read_whole
from server.errors import Invalid, Malformed, NotFound
from server.identity.scopes import may_resolve
from server.keys import Principal

_PARSE_ERROR: Final = -32700
"""JSON-RPC's code."""
_REFUSED: Final = -32000
"""A code of the range that JSON-RPC leaves to servers."""


class _Door:
    """An ASGI application: the gateway reads its requests, and streams its answers, itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal = scope["state"]["principal"]
        gateway: Gateway = scope["state"]["application"].gateway
        server = scope["path_params"].get("server")
        caller = Caller(principal.name, role=principal.role, resolves=may_resolve(principal.scopes))
        try:
            if scope["method"] == "POST":
                receive = await _checked(receive)
            await gateway.handle(server, caller, scope, receive, send)
        except (Malformed, Invalid) as error:
            await _refusal(400, _PARSE_ERROR, str(error), error.code)(scope, receive, send)
        except TooManySessions as error:
            await _refusal(429, _REFUSED, str(error), "too_many_sessions")(scope, receive, send)
        except UnknownServer:
            detail = "There is no MCP server of this name; GET /readyz lists those there are."
            raise NotFound("unknown_server", detail) from None


def _refusal(status: int, number: int, words: str, code: str) -> JSONResponse:
    error = {"code": number, "message": words, "data": {"code": code}}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status)


async def _checked(receive: Receive) -> Receive:
    """Refuses what the SDK would read: the strict JSON of all other routes is what policies are asked about."""
    body = await read_whole(receive)
    await read_json(body)
    return read_again(body, receive)


ROUTES: Final = (Route("/mcp", _Door()), Route("/mcp/", _Door()), Route("/mcp/{server}", _Door()))
"""Many write the address with a slash at its end, and a client makes of a 404 that its session has ended."""
