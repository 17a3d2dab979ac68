"""`/mcp` and `/mcp/{server}`: the gateway for MCP clients. They speak JSON-RPC over HTTP, not the REST of the rest."""

import contextvars
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_config.gateway.admission import TooManySessions
from mcp_config.gateway.door import Gateway
from mcp_config.gateway.face import UnknownServer
from mcp_config.gateway.visit import CONTEXT
from mcp_config.tools import Caller, JsonObject
from server.body import read_again, read_json, read_whole
from server.db.once import find_made, unkeyed
from server.db.store import Store
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
        known = {**scope, CONTEXT: contextvars.copy_context()}
        try:
            if scope["method"] == "POST":
                body = await _read(receive)
                receive = read_again(body.raw, receive)
                if made := find_made():  # by this very request, which came before
                    told = await _tell_again(scope["state"]["application"].store, principal.name, made)
                    answer = {"jsonrpc": "2.0", "id": body.id, "result": told}
                    await JSONResponse(answer)(scope, receive, send)
                    return
            with unkeyed():  # a session goes on for other requests
                await gateway.handle(server, caller, known, receive, send)
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


@dataclass(frozen=True)
class _Body:
    raw: bytes
    id: JsonValue


async def _read(receive: Receive) -> _Body:
    """Refuses what the SDK would read: the strict JSON of all other routes is what policies are asked about."""
    raw = await read_whole(receive)
    value = await read_json(raw)
    return _Body(raw, value.get("id") if isinstance(value, dict) else None)


async def _tell_again(store: Store, owner: str, made: str) -> JsonObject:
    """Returns what came of the call that was made, or asked about, under the request's `Idempotency-Key`."""
    if made.startswith("appr_"):
        approval = await store.approvals.get(owner, made)
        call, words = approval.tool_call, f"It waits as {made}, or was answered: it is {approval.status}."
    else:
        call, words = await store.tool_calls.get(owner, made), "It was begun, and has not ended."
    said = words if call is None or call.result is None else call.result
    return {"content": [{"type": "text", "text": said}], "isError": call is None or call.status != "ok"}


ROUTES: Final = (Route("/mcp", _Door()), Route("/mcp/", _Door()), Route("/mcp/{server}", _Door()))
"""Many write the address with a slash at its end, and a client makes of a 404 that its session has ended."""
