"""Callers' own sessions with servers that want a credential of each user: one for each server and owner.

They begin with a call; they end when nobody called for a while, and when the credential changes. Not known here: who
keeps credentials.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from config.redaction import Redactor
from mcp_config.entries.login_advice import build_login_advice
from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import CredentialMissing, CredentialRefused, ServerUnavailable
from mcp_config.identity.logins import Logins
from mcp_config.upstream.connection import Connection
from mcp_config.upstream.owners import stop_owners
from mcp_config.upstream.warden import Warden

FindCredentials = Callable[[str], Awaitable[Mapping[str, str]]]
"""An owner's credentials, by name."""

_IDLE_SECONDS: Final = 600.0
_MOST: Final = 200


@dataclass(frozen=True)
class Joined:
    """What a call goes over."""

    connection: Connection
    redactor: Redactor | None = None
    """Knows the caller's credentials; None where all share a session."""


@dataclass
class _Session:
    joined: Joined
    own: asyncio.Task[None]
    calls: int = 0
    end: asyncio.TimerHandle | None = None


async def _find_none(owner: str) -> Mapping[str, str]:
    del owner
    return {}


class UserSessions:
    def __init__(
        self,
        find: FindCredentials = _find_none,
        start_timeout: float = 20.0,
        logins: Logins | None = None,
        *,
        idle: float = _IDLE_SECONDS,
        most: int = _MOST,
    ) -> None:
        self._find, self._start_timeout, self._idle, self._most = find, start_timeout, idle, most
        self._logins = logins or Logins()
        self._sessions: dict[tuple[str, str], _Session] = {}
        """By server and owner, those that were used last at the end."""
        self._ending: set[asyncio.Task[None]] = set()
        self._changes = 0

    @asynccontextmanager
    async def join(self, shared: Connection, owner: str) -> AsyncIterator[Joined]:
        """Yields the owner's session where the server wants a credential of each user, else the one that all share.

        Raises:
            CredentialMissing: the owner has stored none.
            CredentialRefused: the server does not take the one that is stored.
            ServerUnavailable: too many sessions are at work.
        """
        if not shared.config.per_user:
            yield Joined(shared)
            return
        session = await self._take((shared.config.name, owner), shared.config)
        session.calls += 1
        try:
            yield session.joined
        except ServerUnavailable:
            if session.joined.connection.health.state != "auth_required":
                raise
            raise CredentialRefused(_refused(shared.config, owner)) from None
        finally:
            session.calls -= 1
            self._rest((shared.config.name, owner), session)

    def forget(self, owner: str) -> None:
        """Ends the owner's sessions: a credential has changed."""
        self._changes += 1
        for place in [place for place in self._sessions if place[1] == owner]:
            self._end(place)

    async def close(self) -> None:
        for place in [*self._sessions]:
            self._end(place)
        await stop_owners([*self._ending])

    async def _take(self, place: tuple[str, str], config: ServerConfig) -> _Session:
        own = await self._fill(place, config)
        session = self._sessions.get(place)
        if session and session.joined.connection.config.headers != own.headers:
            self._end(place)  # it was changed, and nobody told
            session = None
        session = session or self._begin(own, place[1])
        self._sessions.pop(place, None)
        self._sessions[place] = session
        if session.end:
            session.end.cancel()
        return session

    async def _fill(self, place: tuple[str, str], config: ServerConfig) -> ServerConfig:
        while True:
            before = self._changes
            credentials = await self._find(place[1])
            if before == self._changes:
                break
        if missing := [name for name in config.credentials if name not in credentials]:
            self._end(place)
            raise CredentialMissing(_missing(config, missing))
        if config.oauth is not None and not await self._is_logged_in(config, place[1]):
            self._end(place)
            raise CredentialMissing(
                f"the server {config.name} wants a login of your own; {build_login_advice(config, place[1])}"
            )
        return config.for_user(credentials)

    async def _is_logged_in(self, config: ServerConfig, owner: str) -> bool:
        record = await self._logins.find(config, owner)
        return record is not None and record.tokens is not None

    def _begin(self, config: ServerConfig, owner: str) -> _Session:
        if len(self._sessions) >= self._most:
            idle = next((place for place, session in self._sessions.items() if not session.calls), None)
            if idle is None:
                raise ServerUnavailable("too many users' sessions are at work; try again in a moment")
            self._end(idle)
        # a server that is reached by `url` is no child of ours
        redactor = Redactor(config.secrets)
        proof = self._logins.proof(config, owner, redactor)
        connection = Connection(config, Warden(None), self._start_timeout, lambda: None, proof)
        own = asyncio.create_task(connection.own(), name=f"mcp {config.name} for a user")
        return _Session(Joined(connection, redactor), own)

    def _rest(self, place: tuple[str, str], session: _Session) -> None:
        if not session.calls and self._sessions.get(place) is session:
            session.end = asyncio.get_running_loop().call_later(self._idle, self._end, place)

    def _end(self, place: tuple[str, str]) -> None:
        if session := self._sessions.pop(place, None):
            if session.end:
                session.end.cancel()
            self._ending.add(session.own)
            session.own.add_done_callback(self._ending.discard)
            session.own.cancel()


@asynccontextmanager
async def open_user_sessions(
    find: FindCredentials, start_timeout: float, logins: Logins | None = None
) -> AsyncIterator[UserSessions]:
    sessions = UserSessions(find, start_timeout, logins)
    try:
        yield sessions
    finally:
        await sessions.close()


def _missing(config: ServerConfig, names: list[str]) -> str:
    where = " and ".join(f"/v1/credentials/{name}" for name in names)
    return f'the server {config.name} wants a credential of your own. Store it: PUT {where} with {{"value": "..."}}'


def _refused(config: ServerConfig, owner: str) -> str:
    if config.oauth is not None:
        return f"the server {config.name} does not take your login any more; {build_login_advice(config, owner)}"
    where = " and ".join(f"/v1/credentials/{name}" for name in config.credentials)
    return f'the server {config.name} does not take your credential. Store another: PUT {where} with {{"value": "..."}}'
