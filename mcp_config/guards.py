"""What the registry is handed to govern with, and what it foresees of a call that is only asked about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from config.redaction import Redactor
from mcp_config.audit import Audit, Unaudited
from mcp_config.calls.decision import Decision, PassedOver
from mcp_config.calls.rates import RateLimits
from mcp_config.definitions.quarantine import Quarantine
from mcp_config.identity.logins import Logins
from mcp_config.identity.user_sessions import UserSessions
from mcp_config.tools import Allowance, Artifacts, People


async def _heed_nothing() -> None:
    pass


@dataclass(frozen=True)
class Guards:
    """What the governed path leans on and what somebody above keeps."""

    audit: Audit = field(default_factory=Unaudited)
    rates: RateLimits = field(default_factory=RateLimits)
    quarantine: Quarantine = field(default_factory=Quarantine)
    artifacts: Artifacts | None = None
    """Without it a result over the cap loses its middle, and what is no text is not kept."""
    people: People | None = None
    """Without them, what servers ask is put to MCP clients that can ask their user, and else declined."""
    decided_above: bool = False
    """Another open-agent calls, with a key of the role `service`, and has decided itself: here only what is denied by
    a rule is denied."""
    max_result: int = 256 * 1024
    """Bytes of a result that are handed on, where no policy says otherwise."""
    redactor: Redactor = field(default_factory=Redactor)
    logins: Logins = field(default_factory=Logins)
    sessions: UserSessions = field(default_factory=UserSessions)
    """Callers' own, with servers that want a credential of each."""
    heed: Callable[[], Awaitable[None]] = _heed_nothing
    """Asked before each decision: has policies and agents be what they are by now, whoever changed them."""


@dataclass(frozen=True)
class Foresight:
    """What would become of a call, had it been made."""

    decision: Decision
    passed_over: tuple[PassedOver, ...]
    complaint: str | None
    """Why the arguments do not fit the tool's schema."""
    allowances: tuple[Allowance, ...]
