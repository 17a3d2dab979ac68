"""One server, kept alive. Its owner task enters and leaves each session and starts it again after a loss.

Calls come from any task and only wait here. What this server does wrong stays here.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, assert_never

from mcp_config.definitions.definition import Listing
from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import (
    NeverSent,
    RemoteError,
    ServerLost,
    ServerRefused,
    ServerUnavailable,
    ToolError,
)
from mcp_config.server_health import ServerHealth, ServerState
from mcp_config.talkback import Changed, Client, Ears, Notice
from mcp_config.tools import JsonObject
from mcp_config.upstream.call_deadline import CallDeadline
from mcp_config.upstream.listing import read_listing
from mcp_config.upstream.live import Abandoned, Live, ToolsChanged
from mcp_config.upstream.pauses import RARE_SECONDS, STABLE_SECONDS, build_pause
from mcp_config.upstream.proof import Proof, no_proof
from mcp_config.upstream.sdk import describe_failure, open_session
from mcp_config.upstream.start_deadline import StartDeadline
from mcp_config.upstream.warden import Warden

_DOWN: Final = frozenset[ServerState](("failed", "auth_required", "off"))
_MAX_SENT: Final = 2
"""How often a call is sent: once more, to a new session, if the server took no notice of it."""
_TELLING_SECONDS: Final = 3.0
_REFRESH_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class Connection:
    """Its owner task runs `own`; everyone else asks how it is, what it offers, and calls."""

    def __init__(
        self,
        config: ServerConfig,
        warden: Warden,
        start_timeout: float,
        changed: Callable[[], None],
        proof: Proof = no_proof,
    ) -> None:
        self.config = config
        self.listing = Listing(())
        """What it offers: kept while it is started again after a loss, empty once a start failed."""
        self._warden, self._proof = warden, proof
        self._start_deadline = StartDeadline(config.start_timeout or start_timeout)
        self._tell_changed = changed
        self._state: ServerState = "starting"
        self._detail = ""
        self._live: Live | None = None
        self._turned, self._called_back = asyncio.Event(), asyncio.Event()
        self._refresh_due = False
        self._refusal: ServerRefused | None = None
        """Why the last session ended, if an HTTP status said it."""
        self.standing: dict[str, tuple[str, JsonObject]] = {}
        """What every session is asked at its start: the log level, the resources whose changes are wanted."""
        self.watchers: set[Callable[[Notice], None]] = set()
        """Who is told what the server says of itself."""

    @property
    def offers(self) -> JsonObject:
        """The server's capabilities; none while it is not up."""
        return self._live.session.offers if self._live else {}

    @property
    def health(self) -> ServerHealth:
        offered = sum(self.config.offers(tool.name) for tool in self.listing.tools)
        return ServerHealth(self._state, self._detail, offered, self.config.required, self.config.confinement)

    async def settled(self) -> None:
        """Returns once the first start came to an end, good or bad."""
        while self._state == "starting":
            await self._turned.wait()

    async def own(self) -> None:
        """Runs for as long as the server is wanted; ends by cancellation, or at once when it is not to be started."""
        try:
            await self._live_on()
        finally:
            self._live = None
            obstacle = self.config.obstacle
            self._turn("off" if obstacle else "failed", f"not started: {obstacle}" if obstacle else "was stopped")

    async def _live_on(self) -> None:
        failures = 0
        while not self.config.obstacle:
            began = asyncio.get_running_loop().time()
            reason = await self._live_once()
            if (owner := asyncio.current_task()) and owner.cancelling():
                raise asyncio.CancelledError  # it came while a session ended by a fault, whose error took its place
            was_up, self._live = self._live is not None, None
            stable = was_up and asyncio.get_running_loop().time() - began > STABLE_SECONDS
            failures = 1 if stable else failures + 1
            _log.warning("MCP server %s: %s", self.config.name, reason)
            refusal, self._refusal = self._refusal, None
            if refusal is not None and refusal.login:
                self._turn("auth_required", reason)
                await self._rest(RARE_SECONDS)
                continue
            self._turn("degraded" if was_up else "failed", reason)
            await self._rest(max(build_pause(failures, was_up=was_up), refusal.wait if refusal else 0))

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._called_back.wait(), seconds)
        self._called_back.clear()

    def restart(self) -> None:
        """Begins a session anew, at once: who we are to the server has changed."""
        self._called_back.set()
        if self._live is not None:
            self._live.session.lose(ServerLost("is connected to anew: its login has changed"))

    async def _live_once(self) -> str:
        """Lives through one session and returns in a line why it ended."""
        live: Live | None = None
        try:
            async with self._start_deadline.bound() as started:
                ears = Ears(self._hear, samples=self.config.samples)
                async with open_session(self.config, self._warden, ears, self._proof) as session:
                    live = Live(session, ears.board)
                    mailbox = live.mailbox
                    session.lost.add_done_callback(lambda lost: mailbox.put_nowait(lost.result()))
                    await self._start(live)
                    started()
                    await self._watch(live)
        except TimeoutError as late:
            return str(late)
        except Exception as error:
            # an edge: beyond it are other people's programs, and nothing they do may end more than their session
            self._refusal = live.session.refusal if live else None
            return self.config.without_secrets(str(self._refusal) if self._refusal else describe_failure(error))
        finally:
            if live is not None:
                await live.doubt.close()
        raise AssertionError("a session is watched until it ends")

    async def _start(self, live: Live) -> None:
        await live.session.initialize()
        try:
            for method, params in self.standing.values():
                with suppress(RemoteError):
                    await live.session.request(method, params)
            listing = await read_listing(live.session) if _has_tools(live.session.offers) else Listing(())
        except NeverSent:
            raise await live.session.why_lost() from None
        self._live = live
        self._offer(listing)

    async def _watch(self, live: Live) -> None:
        while True:
            match await live.mailbox.get():
                case Abandoned() as call:
                    await self._let_go(live, call)
                case ToolsChanged():
                    self._refresh_due = False
                    await self._refresh(live)
                case ToolError() as fault:
                    raise fault
                case unreachable:
                    assert_never(unreachable)

    async def _let_go(self, live: Live, call: Abandoned) -> None:
        """Tells the server to stop working for nobody.

        One that does not even answer a ping then is sick: its processes are ended. So they are after a missed deadline,
        if no other call would suffer by it.
        """
        sick = call.late and not live.board.busy
        try:
            async with asyncio.timeout(_TELLING_SECONDS):
                await live.session.cancel(call.request)
        except TimeoutError:
            sick = True  # it does not even read
        if sick:
            live.restart()

    async def _refresh(self, live: Live) -> None:
        try:
            async with asyncio.timeout(self._start_deadline.seconds):
                listing = await read_listing(live.session)
        except TimeoutError:
            raise ServerLost("does not list its tools") from None
        self._offer(listing)

    def _offer(self, listing: Listing) -> None:
        if listing.complaint and listing.complaint != self.listing.complaint:
            _log.warning("MCP server %s: %s", self.config.name, listing.complaint)
        self.listing = listing
        self._turn("degraded" if listing.quarantined else "ready", listing.complaint)

    def _hear(self, notice: Notice) -> None:
        if notice == Changed("tools"):
            self._on_tools_changed()
            return
        for watcher in self.watchers:
            watcher(notice)

    def _on_tools_changed(self) -> None:
        # gathered for a moment: a flood of notices makes few listings
        if not self._refresh_due and (live := self._live) is not None:
            self._refresh_due = True
            asyncio.get_running_loop().call_later(_REFRESH_SECONDS, live.mailbox.put_nowait, ToolsChanged())

    def _turn(self, state: ServerState, detail: str) -> None:
        self._state, self._detail = state, detail
        if state in ("failed", "auth_required"):
            self.listing = Listing(())
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()
        self._tell_changed()

    async def call(
        self,
        tool: str,
        arguments: JsonObject,
        seconds: float,
        client: Client | None = None,
        idle: float | None = None,
    ) -> JsonObject:
        """Calls the tool of this (the server's own) name and returns the raw result, as `request` does."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments}, seconds, client, idle)

    async def request(
        self,
        method: str,
        params: JsonObject,
        seconds: float,
        client: Client | None = None,
        idle: float | None = None,
    ) -> JsonObject:
        """Asks the server and returns its raw result, within `seconds`, and within `idle` of its last sign of life.

        A request that did not leave is sent again to the next session; one that left never is.

        Raises:
            ToolError: in one of its kinds.
        """
        deadline = CallDeadline(seconds, idle)
        async with deadline.kept():
            for _ in range(_MAX_SENT):
                live = await self._live_session()
                try:
                    return await live.request(method, params, client, deadline)
                except NeverSent:
                    await self._gone(live)
        raise ServerLost("its server takes no notice of it")

    async def _live_session(self) -> Live:
        while self._live is None or self._live.session.lost.done():
            if self._state in _DOWN:
                raise ServerUnavailable(f"the server {self.config.name} is not available: {self._detail}")
            await self._turned.wait()
        return self._live

    async def _gone(self, live: Live) -> None:
        while self._live is live:
            await self._turned.wait()


def _has_tools(offers: JsonObject) -> bool:
    # one that says nothing of itself is asked all the same
    return "tools" in offers or not offers
