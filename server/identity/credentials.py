"""Who a request's `Authorization` says it is from: a configured key, a key that was made here, or a signed token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import httpx
import structlog

from config.api_keys import Role
from config.settings import Settings
from server.db.tokens import Tokens
from server.errors import CHALLENGE, Unauthenticated, Unavailable
from server.identity.standing import Standing
from server.keys import KeyRing, Principal, load_api_keys
from server.resources.tokens import Token

_LAZILY: Final = timedelta(minutes=1)

_log = structlog.stdlib.get_logger("server.identity")


class Signed(Protocol):
    """What reads signed tokens."""

    async def find(self, token: str) -> Principal | None: ...


class Credentials:
    def __init__(self, ring: KeyRing, tokens: Tokens, uses: "LastUses", signed: Signed | None) -> None:
        self._ring, self._tokens, self._uses, self._signed = ring, tokens, uses, signed
        self._standing = Standing(self.identify)

    async def identify(self, authorization: str) -> Principal:
        """Returns who asks.

        Raises:
            Unauthenticated: nobody whom we know. What exactly is wrong is not told: it would help only who guesses.
            Forbidden: the token is valid, and gives its holder no role here.
            Unavailable: the database, or the keys of the tokens' issuer, cannot be asked.
        """
        scheme, _, offered = authorization.partition(" ")
        offered = offered.strip()
        if scheme.lower() != "bearer" or not offered:
            raise Unauthenticated("no_api_key", f"Send {self._wanted}: `Authorization: Bearer <key>`.")
        principal = self._ring.find(offered) or await self._find_made(offered)
        if principal is None and self._signed:
            principal = await self._signed.find(offered)
        if principal is None:
            raise self._wrong()
        return principal

    def watched(self, authorization: str) -> AbstractContextManager[asyncio.Event | None]:
        """Yields what is set when it is valid no more; None for a configured key, which is for as long as we run."""
        for_ever = self._ring.find(authorization.partition(" ")[2].strip())
        return nullcontext() if for_ever else self._standing.watched(authorization)

    @property
    def _wanted(self) -> str:
        return "a signed token or an API key" if self._signed else "an API key"

    def _wrong(self) -> Unauthenticated:
        if self._signed is None:
            return Unauthenticated("wrong_api_key", "This API key is not known here.")
        headers = {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}
        return Unauthenticated("wrong_token", "This token or API key is not valid here.", headers=headers)

    async def _find_made(self, offered: str) -> Principal | None:
        """Asks the database each time: a revoked key stops at once, whoever revoked it."""
        if (token := await self._tokens.find(offered)) is None:
            return None
        self._uses.note(token)
        return Principal(token.name, token.role)


class LastUses:
    """Writes down when keys were last used: beside the requests, and once a minute for each."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._writing: dict[str, asyncio.Task[None]] = {}

    def note(self, token: Token) -> None:
        now = datetime.now(UTC)
        if token.id in self._writing or (token.last_used_at and now - token.last_used_at < _LAZILY):
            return
        self._writing[token.id] = asyncio.create_task(self._write(token.id, now))

    async def _write(self, token_id: str, now: datetime) -> None:
        try:
            await self._tokens.note_use(token_id, now)
        except Unavailable as error:
            _log.warning("last use of a key not written down", token=token_id, code=error.code)
        finally:
            del self._writing[token_id]

    async def close(self) -> None:
        await asyncio.gather(*self._writing.values())


@asynccontextmanager
async def open_credentials(settings: Settings, tokens: Tokens, generated: Role = "admin") -> AsyncIterator[Credentials]:
    """Yields what tells who asks.

    Raises:
        ConfigError: a key could be guessed by those who reach this server.
    """
    ring = KeyRing(load_api_keys(settings, generated))
    uses = LastUses(tokens)
    # No redirects: the address in the settings, and nothing else, says who may sign.
    async with httpx.AsyncClient(follow_redirects=False) as client:
        signed: Signed | None = None
        if settings.auth_mode == "jwt":
            from server.identity.signed_tokens import build_signed_tokens  # noqa: PLC0415 - ciphers, only for who signs

            signed = build_signed_tokens(settings, client)
        try:
            yield Credentials(ring, tokens, uses, signed)
        finally:
            await uses.close()
