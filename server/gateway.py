"""The MCP gateway without the rest of the product: what `open-agent gateway` is made of, opened in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from config.known_secrets import find_secrets
from config.redaction import Redactor
from config.settings import Settings
from mcp_config.gateway.calling import Duties
from mcp_config.gateway.door import Gateway, open_gateway
from mcp_config.gateway.terms import Terms
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.registry import ToolRegistry, open_registry
from server.configuration import ToolConfiguration, load_tool_configuration
from server.db.store import Store, open_store
from server.db.user_credentials import UserCredentials
from server.engine.sole_use import open_sole_use
from server.guarding import build_user_credentials, open_guards
from server.identity.credentials import Credentials, open_credentials
from server.identity.sealing import SEAL_FILE, Seal
from server.keys import load_api_keys
from server.version import VERSION

_MAX_RESULT: Final = 4 * 1024 * 1024
"""Who takes tools from here has a cap of its own, and keeps what is over it."""


@dataclass(frozen=True)
class GatewayApplication:
    """What a running gateway is made of, as its routes see it."""

    credentials: Credentials
    user_credentials: UserCredentials
    store: Store
    tools: ToolRegistry
    gateway: Gateway
    redactor: Redactor
    ousted: asyncio.Event
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    def drain(self) -> None:
        self.draining.set()

    async def drained(self) -> None:
        """Nothing is at work that a restart could take up again."""


def build_terms(settings: Settings) -> Terms:
    """Returns by which names, from which pages and how often at a time `/mcp` may be reached."""
    wildcards = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    own = () if settings.host in wildcards else (settings.host,)
    hosts = _with_any_port([*settings.mcp_allowed_hosts, *own])
    origins = _with_any_port(settings.mcp_allowed_origins)
    return Terms(
        hosts, origins, settings.max_body_bytes, settings.mcp_sessions_per_caller, settings.mcp_session_idle_seconds
    )


def _with_any_port(names: list[str]) -> list[str]:
    return [form for name in names for form in (name, f"{name}:*")]


@asynccontextmanager
async def open_gateway_application(settings: Settings) -> AsyncIterator[GatewayApplication]:
    """Yields the gateway alone. Tool servers start in the background.

    Raises:
        ConfigError: a file says what cannot be.
        Unavailable: the database or the data folder cannot be used.
    """
    configuration = load_tool_configuration(settings)
    redactor = Redactor(find_secrets(settings, load_api_keys(settings, "service"), configuration.server_secrets))
    patience = timedelta(seconds=settings.approval_seconds)
    async with (
        open_sole_use(settings.database_url, settings.data_dir) as ousted,
        open_store(settings.database_url, patience, redactor, Seal(settings.data_dir / SEAL_FILE)) as store,
        # the key that is made here is for another open-agent, which decides what its users may do
        open_credentials(settings, store.tokens, "service") as credentials,
        open_guards(settings, store, redactor) as guards,
        _open_tools(settings, configuration, guards) as tools,
        open_gateway(tools, _build_duties(settings, store, guards), build_terms(settings), VERSION) as gateway,
    ):
        user_credentials = build_user_credentials(settings, store)
        yield GatewayApplication(credentials, user_credentials, store, tools, gateway, redactor, ousted)


def _open_tools(
    settings: Settings, configuration: ToolConfiguration, guards: Guards
) -> AbstractAsyncContextManager[ToolRegistry]:
    here = replace(guards, decided_above=True, max_result=_MAX_RESULT)
    return open_registry(configuration.servers, configuration.policies, lambda _: None, Deadlines.of(settings), here)


def _build_duties(settings: Settings, store: Store, guards: Guards) -> Duties:
    # another open-agent that calls asks people as long as they are given there
    return Duties(store.tool_calls, guards.audit, redactor=guards.redactor, patience=settings.approval_seconds)
