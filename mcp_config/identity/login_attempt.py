"""One attempt to log in to a server: waits for what a person's browser brings back. Its answer is taken once."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx

from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import RemoteError
from mcp_config.names import clean_text
from mcp_config.talkback import Ears
from mcp_config.tools import Caller
from mcp_config.upstream.sdk import describe_failure, open_session
from mcp_config.upstream.warden import Warden

LIFE_SECONDS: Final = 600.0
"""In which a person has to have agreed."""
_MAX_WORDS: Final = 200


class LoginFailed(Exception):
    """It did not come to a login; `str(error)` says why."""


class LoginNotNeeded(LoginFailed):
    """The server lets us in as it is."""


class LoginUnknown(LookupError):
    """There is no attempt that waits for this answer."""


@dataclass(eq=False)
class Attempt:
    config: ServerConfig
    owner: str
    by: Caller
    """Who asked for it."""
    url: str = ""
    """Where a person agrees, once it is known."""
    fault: LoginFailed | None = None
    is_from: Callable[[str], bool] = lambda issuer: True
    shown: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _state: str = ""
    _answer: "asyncio.Future[tuple[str, str | None]]" = field(default_factory=asyncio.Future)

    @property
    def place(self) -> tuple[str, str]:
        return self.config.name, self.owner

    async def show(self, url: str) -> None:
        self.url, self._state = url, parse_qs(urlsplit(url).query)["state"][0]
        self.shown.set()

    async def answered(self) -> tuple[str, str | None]:
        return await self._answer

    def awaits(self, state: str) -> bool:
        waits = self.shown.is_set() and not self._answer.done()
        return waits and secrets.compare_digest(self._state.encode(), state.encode())

    def take(self, state: str, code: str | None, refusal: str | None, issuer: str | None) -> None:
        """Takes what came back; from now on nothing else is."""
        if issuer is not None and not self.is_from(issuer):
            self._answer.set_exception(LoginFailed("the answer is from another authorization server"))
        elif refusal is not None or not code:
            why = clean_text(refusal or "no code came back", _MAX_WORDS)
            self._answer.set_exception(LoginFailed(f"its authorization server refused: {why}"))
        else:
            self._answer.set_result((code, state))

    async def run(self, login: httpx.Auth) -> None:
        """Asks the server for what it offers, with nothing to prove who asks but the new login."""

        async def prove() -> httpx.Auth:
            return login

        config = replace(self.config.for_user({}), bearer_file=None)
        async with open_session(config, Warden(None), Ears(lambda notice: None), prove) as session:
            await session.initialize()
            with suppress(RemoteError):  # it may offer no tools
                await session.list_page(None)

    def end(self, fault: LoginFailed | None = None) -> None:
        if not self.ended.is_set():
            self.fault = fault
            self.ended.set()
            self._answer.cancel()


def explain(error: BaseException) -> LoginFailed:
    """Returns in words for people why an attempt came to nothing."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, LoginFailed) else LoginFailed(describe_failure(error))
