"""What stands around every tool call, whoever makes it: opened alike for the product and for its gateway alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.redaction import Redactor
from config.settings import Settings
from mcp_config.calls.rates import open_rate_limits
from mcp_config.definitions.quarantine import open_quarantine
from mcp_config.guards import Guards
from mcp_config.identity.user_sessions import open_user_sessions
from server.db.store import Store
from server.db.user_credentials import UserCredentials
from server.engine.audit import CallAudit
from server.identity.sealing import SEAL_FILE, Seal
from server.logins import open_server_logins


@asynccontextmanager
async def open_guards(settings: Settings, store: Store, redactor: Redactor) -> AsyncIterator[Guards]:
    """Yields the guards; who opens them adds what only they know."""
    audit = CallAudit(store.audit)
    find = build_user_credentials(settings, store).find
    async with (
        open_rate_limits(settings.redis_url) as rates,
        open_quarantine(settings.tools_lock, settings.data_dir / "tools.lock", audit) as quarantine,
        open_server_logins(settings, store, redactor, audit) as logins,
        open_user_sessions(find, settings.server_start_timeout, logins) as sessions,
    ):
        yield Guards(audit, rates, quarantine, redactor=redactor, logins=logins, sessions=sessions)


def build_user_credentials(settings: Settings, store: Store) -> UserCredentials:
    return UserCredentials(store.database, Seal(settings.data_dir / SEAL_FILE))
