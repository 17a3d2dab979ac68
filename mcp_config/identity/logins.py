"""Logins to servers that are reached by `url`: begun for a person, finished by what a browser brings back, renewed.

A login belongs to an owner and an address, and proves nobody else, nowhere else. Not known here: who keeps it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Final, Literal

import httpx

from config.redaction import Redactor
from mcp_config.audit import Audit, AuditEntry, Unaudited
from mcp_config.entries.login_advice import build_login_advice
from mcp_config.entries.login_terms import HOUSE, OAuth, Ourselves
from mcp_config.entries.server_config import ServerConfig
from mcp_config.identity.login_attempt import LIFE_SECONDS, Attempt, LoginFailed, LoginNotNeeded, LoginUnknown, explain
from mcp_config.identity.login_record import LoginRecord, LoginStore, Unkept
from mcp_config.tools import Caller, JsonObject
from mcp_config.upstream.owners import stop_owners
from mcp_config.upstream.proof import Proof, no_proof

_BEGIN_SECONDS: Final = 30.0
_FINISH_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 200
_MOST_HIDDEN: Final = 16
_NOWHERE: Final = Ourselves("http://127.0.0.1/v1/oauth/callback")

_log = logging.getLogger(__name__)


class Logins:
    def __init__(
        self,
        store: LoginStore | None = None,
        ourselves: Ourselves = _NOWHERE,
        redactor: Redactor | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._store, self._audit = store or Unkept(), audit or Unaudited()
        self.ourselves = ourselves
        self._redactor = redactor or Redactor()
        self._attempts: dict[tuple[str, str], Attempt] = {}
        """The newest of each server and owner; the oldest first."""
        self._tasks: dict[Attempt, asyncio.Task[None]] = {}
        self.changed: Callable[[str, str], None] = lambda server, owner: None
        """Told of which server, and whose, there is another login now, or none."""

    # ------------------------------------------------------------------ proving
    def proof(self, config: ServerConfig, owner: str = HOUSE, redactor: Redactor | None = None) -> Proof:
        """Returns what opens sessions as the owner. `redactor` is told what must not be seen, or else ours."""
        if config.oauth is not None and config.oauth.grant == "client_credentials":
            return partial(self._prove_alone, config, config.oauth)
        if not build_login_advice(config):
            return no_proof
        return lambda: self._prove(config, owner, redactor or self._redactor)

    async def _prove(self, config: ServerConfig, owner: str, redactor: Redactor) -> httpx.Auth | None:
        record = await self.find(config, owner)
        if record is None or record.tokens is None:
            return None

        hide = _Hiding(redactor, _source(config, owner)).hide

        async def changed(record: LoginRecord) -> None:
            hide(record)
            await self._store.keep(owner, config.name, record)

        hide(record)
        await _load_oauth()
        from mcp_config.identity.oauth import LoginStorage, build_kept_login, find_registered  # noqa: PLC0415

        storage = LoginStorage(record, changed, find_registered(config.oauth, self.ourselves))
        advice = build_login_advice(config, owner)
        return build_kept_login(config.url, storage, config.oauth, self.ourselves, advice)

    async def _prove_alone(self, config: ServerConfig, terms: OAuth) -> httpx.Auth:
        hide = _Hiding(self._redactor, _source(config, HOUSE)).hide

        async def changed(record: LoginRecord) -> None:
            hide(record)

        await _load_oauth()
        from mcp_config.identity.oauth import LoginStorage  # noqa: PLC0415
        from mcp_config.identity.oauth_machine import build_machine_login  # noqa: PLC0415

        return build_machine_login(config.url, LoginStorage(LoginRecord(url=config.url), changed), terms)

    async def find(self, config: ServerConfig, owner: str) -> LoginRecord | None:
        """Returns the owner's login to the server; one that was for another address is none."""
        record = await self._store.find(owner, config.name)
        return record if record is not None and record.url == config.url else None

    # ------------------------------------------------------------------ logging in
    def find_attempt(self, config: ServerConfig, owner: str) -> Attempt | None:
        """Returns the newest attempt of the owner's, as far as it is remembered."""
        return self._attempts.get((config.name, owner))

    async def begin(self, config: ServerConfig, owner: str, by: Caller) -> Attempt:
        """Returns an attempt with the address where a person agrees. An earlier one that is under way ends.

        Raises:
            LoginNotNeeded: the server lets us in as it is.
            LoginFailed: it cannot be logged in to; `str(error)` says why.
        """
        attempt = Attempt(config, owner, by)
        self._put(attempt)
        task = asyncio.create_task(self._log_in(attempt), name=f"login to {config.name}")
        self._tasks[attempt] = task
        task.add_done_callback(lambda _: self._tasks.pop(attempt))
        waits = [asyncio.ensure_future(event.wait()) for event in (attempt.shown, attempt.ended)]
        await asyncio.wait(waits, timeout=_BEGIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if attempt.fault is None and not attempt.shown.is_set():
            self._drop(attempt.place)
            raise LoginFailed("it does not say in time where to log in")
        if attempt.fault is not None:
            raise attempt.fault
        return attempt

    async def finish(self, state: str, code: str | None, refusal: str | None, issuer: str | None) -> Attempt:
        """Ends the attempt that this is the answer to, and returns it. An answer is taken once.

        Raises:
            LoginUnknown: there is no such attempt: it was answered, replaced by another, or took too long.
            LoginFailed: it did not come to a login; `str(error)` says why.
        """
        attempt = next((each for each in self._attempts.values() if each.awaits(state)), None)
        if attempt is None:
            raise LoginUnknown(state)
        attempt.take(state, code, refusal, issuer)
        with suppress(TimeoutError):
            await asyncio.wait_for(attempt.ended.wait(), _FINISH_SECONDS)
        if attempt.fault is not None:
            raise attempt.fault
        return attempt

    async def end(self, config: ServerConfig, owner: str, by: Caller) -> bool:
        """Forgets the owner's login, with all that was agreed on with its authorization server."""
        self._drop((config.name, owner))
        known = await self._store.find(owner, config.name) is not None
        if known:
            await self._audit.record(_build_entry(by, "server.logout", config, owner))
            await self._store.forget(owner, config.name)
        self.changed(config.name, owner)
        return known

    async def close(self) -> None:
        await stop_owners([*self._tasks.values()])

    def _put(self, attempt: Attempt) -> None:
        self._drop(attempt.place)
        self._attempts[attempt.place] = attempt
        while len(self._attempts) > _MOST_REMEMBERED:
            self._drop(next(iter(self._attempts)))

    def _drop(self, place: tuple[str, str]) -> None:
        if (attempt := self._attempts.pop(place, None)) and (task := self._tasks.get(attempt)):
            task.cancel()

    async def _log_in(self, attempt: Attempt) -> None:
        try:
            async with asyncio.timeout(LIFE_SECONDS):
                await self._agree(attempt)
        except TimeoutError:
            attempt.end(LoginFailed("nobody agreed in time"))
        except Exception as error:
            # an edge: beyond it are other people's servers, and nothing they do may end more than this attempt
            attempt.end(explain(error))
            _log.warning("MCP server %s: no login: %s", attempt.config.name, attempt.fault)
        finally:
            attempt.end(LoginFailed("another attempt was begun"))
            self._redactor.know(_source(attempt.config, f"{attempt.owner}, anew"), ())

    async def _agree(self, attempt: Attempt) -> None:
        config, owner = attempt.config, attempt.owner
        kept = await self.find(config, owner)
        known = kept.client if kept and kept.is_known_for(self.ourselves.redirect_url) else None
        record = LoginRecord(url=config.url, client=known, wanted=kept.wanted if kept else "")

        async def changed(record: LoginRecord) -> None:
            self._redactor.know(_source(config, f"{owner}, anew"), record.secrets)

        await _load_oauth()
        from mcp_config.identity.oauth import LoginStorage, build_new_login, find_registered  # noqa: PLC0415

        storage = LoginStorage(record, changed, find_registered(config.oauth, self.ourselves))
        login = build_new_login(config.url, storage, config.oauth, self.ourselves, attempt.show, attempt.answered)
        attempt.is_from = login.is_from
        await attempt.run(login)
        if storage.record.tokens is None:
            raise LoginNotNeeded("the server lets us in as it is")
        await self._store.keep(owner, config.name, storage.record)
        await self._audit.record(_build_entry(attempt.by, "server.login", config, owner))
        attempt.end()
        self.changed(config.name, owner)


@asynccontextmanager
async def open_logins(
    store: LoginStore, ourselves: Ourselves, redactor: Redactor, audit: Audit
) -> AsyncIterator[Logins]:
    """Yields the logins; attempts that are under way on leaving come to nothing."""
    logins = Logins(store, ourselves, redactor, audit)
    try:
        yield logins
    finally:
        await logins.close()


class _Hiding:
    """Has what a session goes with not seen, also for a while after it was renewed: servers remember it, too."""

    def __init__(self, redactor: Redactor, source: str) -> None:
        self._redactor, self._source = redactor, source
        self._secrets: list[str] = []

    def hide(self, record: LoginRecord) -> None:
        self._secrets = [*dict.fromkeys([*record.secrets, *self._secrets])][:_MOST_HIDDEN]
        self._redactor.know(self._source, self._secrets)


def _source(config: ServerConfig, owner: str) -> str:
    return f"login to {config.name} of {owner}"


def _build_entry(
    by: Caller, action: Literal["server.login", "server.logout"], config: ServerConfig, owner: str
) -> AuditEntry:
    detail: JsonObject = {"of": "user" if owner else "server"}
    return AuditEntry(by.owner, by.role, action, config.name, "ok", detail=detail)


async def _load_oauth() -> None:
    """Imports what takes the loop's time, elsewhere; whoever imports it from now on has it at once."""
    for name in ("oauth", "oauth_machine"):
        await asyncio.to_thread(import_module, f"mcp_config.identity.{name}")
