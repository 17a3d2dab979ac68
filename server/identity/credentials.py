"""Who a request's `Authorization` says it is from: a configured key, a key that was made here, or a signed token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from config.settings import Settings
from server.db.tokens import Tokens
from server.errors import Unauthenticated, Unavailable
from server.keys import KeyRing, Principal, load_api_keys
from server.token_resources import Token

_LAZILY: Final = timedelta(minutes=1)

_log = structlog.stdlib.get_logger("server.identity")


class Credentials:
    def __init__(self, ring: KeyRing, tokens: Tokens, uses: "LastUses") -> None:
        self._ring, self._tokens, self._uses = ring, tokens, uses

    async def identify(self, authorization: str) -> Principal:
        """Returns who asks.

        Raises:
            Unauthenticated: nobody whom we know. What exactly is wrong is not told: it would help only who guesses.
        """
        scheme, _, offered = authorization.partition(" ")
        offered = offered.strip()
        if scheme.lower() != "bearer" or not offered:
            raise Unauthenticated("no_api_key", "Send an API key: `Authorization: Bearer <key>`.")
        if (principal := self._ring.find(offered) or await self._find_made(offered)) is None:
            raise Unauthenticated("wrong_api_key", "This API key is not known here.")
        return principal

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
async def open_credentials(settings: Settings, tokens: Tokens) -> AsyncIterator[Credentials]:
    ring = KeyRing(load_api_keys(settings))
    uses = LastUses(tokens)
    try:
        yield Credentials(ring, tokens, uses)
    finally:
        await uses.close()
