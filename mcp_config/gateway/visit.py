"""One request at the gateway: on whose behalf it is made, and in which session. What all its answers share."""

import contextvars
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession

from config.redaction import Redactor
from mcp_config.errors import RemoteError, ToolError
from mcp_config.gateway.client import LEVELS, Context
from mcp_config.tools import Caller, JsonObject, ToolResult

CALLER: Final = "open_agent.caller"
"""Where the door puts the caller, in the ASGI scope of each request."""
CONTEXT: Final = "open_agent.context"
"""Where what the ledger and the log know of a request is: a session is at work with what was known of its first one."""
_DEFAULT_LEVEL: Final = "info"
_REFUSED: Final = -32000
"""A code of the range that JSON-RPC leaves to servers."""

_log = logging.getLogger(__name__)


@dataclass
class Sessions:
    """The sessions that were heard of at one address, and what each wants to be told."""

    levels: WeakKeyDictionary[ServerSession, str] = field(default_factory=WeakKeyDictionary)
    subscribed: WeakKeyDictionary[ServerSession, set[str]] = field(default_factory=WeakKeyDictionary)
    everywhere: list["Sessions"] = field(default_factory=list)
    """Those of all addresses, these among them: behind them are the same servers."""

    def __post_init__(self) -> None:
        self.everywhere.append(self)

    def meet(self, session: ServerSession) -> None:
        self.levels.setdefault(session, _DEFAULT_LEVEL)

    def level(self, session: ServerSession) -> str:
        return self.levels.get(session, _DEFAULT_LEVEL)

    def wanting(self, uri: str) -> list[ServerSession]:
        return [session for session, uris in self.subscribed.items() if uri in uris]

    def is_wanted(self, uri: str) -> bool:
        """Tells whether anybody wants to hear of the resource, at whatever address."""
        return any(each.wanting(uri) for each in self.everywhere)

    def finest_level(self) -> str:
        """Returns the level of logs that is enough for everybody."""
        return min((level for each in self.everywhere for level in each.levels.values()), key=LEVELS.index)


def caller_of(context: Context) -> Caller:
    if context.request is None:
        raise LookupError("the request did not come in by the gateway's door")
    caller: Caller = context.request.scope[CALLER]
    return caller


def context_of(context: Context) -> contextvars.Context:
    known: contextvars.Context = context.request.scope[CONTEXT] if context.request else contextvars.copy_context()
    return known


def build_answer(raw: JsonObject) -> types.ServerResult:
    """Returns the answer as the server gave it: what is in it is between that server and the client."""
    return types.ServerResult(types.EmptyResult.model_validate(raw))


def build_error(error: ToolError, shown: str) -> McpError:
    """Returns the error as the client is shown it; the number is the server's own, where it gave one."""
    number = error.number if isinstance(error, RemoteError) else types.INTERNAL_ERROR
    return McpError(types.ErrorData(code=number, message=shown))


def refuse(result: ToolResult) -> McpError:
    """Returns the error for what the governed path did not let through."""
    return McpError(types.ErrorData(code=_REFUSED, message=result.content, data={"code": result.error_code}))


Answer = Callable[[Any, Context], Awaitable[types.ServerResult]]
"""Answers one kind of request. `Any`: the SDK has a class for each, and no common one that says more."""


def answered(
    server: Server[Any, Any], sessions: Sessions, redactor: Redactor, answer: Answer
) -> Callable[[Any], Awaitable[types.ServerResult]]:
    """Returns the answer as the SDK wants it. Beyond this edge is the client: it is told no more than it may know."""

    async def handle(request: Any) -> types.ServerResult:  # noqa: ANN401 (see `Answer`)
        context = server.request_context
        sessions.meet(context.session)
        try:
            return await answer(request, context)
        except ToolError as error:
            raise build_error(error, redactor.text(str(error))) from None
        except McpError:
            raise
        except Exception:
            _log.exception("a request of an MCP client broke: %s", type(request).__name__)
            raise McpError(types.ErrorData(code=types.INTERNAL_ERROR, message="Internal error.")) from None

    return handle
