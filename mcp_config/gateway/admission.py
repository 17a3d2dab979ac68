"""How many sessions one caller may have open at the gateway, over all its addresses together."""

from dataclasses import dataclass, field
from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from typing_extensions import override

from mcp_config.gateway.terms import Terms

_MOST: Final = 1000
"""At one address, of all callers."""


class TooManySessions(Exception):
    """The caller has to end one first, or to leave one alone until it ends by itself."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(
            f"You have {terms.sessions} sessions open at this gateway, and may not have more: end one (DELETE with its "
            f"Mcp-Session-Id), or leave it alone for {terms.idle:g} seconds."
        )


@dataclass(frozen=True)
class Admission:
    """Counts for all addresses."""

    terms: Terms
    addresses: list["CountedSessions"] = field(default_factory=list)

    def admit(self, caller: AuthorizationContext | None) -> None:
        if sum(address.count(caller) for address in self.addresses) >= self.terms.sessions:
            raise TooManySessions(self.terms)


class CountedSessions(StreamableHTTPSessionManager):
    """The sessions of one address. The SDK bounds and ends them, but knows no bound for a caller."""

    # Any: the SDK's types for its lifespan's value and its transport's request
    def __init__(self, app: Server[Any, Any], guard: TransportSecuritySettings, admission: Admission) -> None:
        terms = admission.terms
        super().__init__(
            app,
            security_settings=guard,
            session_idle_timeout=terms.idle,
            max_request_body_size=terms.max_body,
            max_sessions=_MOST,
        )
        self._admission = admission
        admission.addresses.append(self)

    def count(self, caller: AuthorizationContext | None) -> int:
        # private, as what follows: the SDK tells nobody when a session begins and ends
        return sum(owner == caller for owner in self._session_owners.values())

    @override
    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        self._admission.admit(requestor)
        return super()._admit_session(requestor)
