"""Tools whose definition is not the one that was approved are not offered until a person approves what it is now.

The first definition that is seen is taken; from then on it is held fast. A hash decides, never what a text says.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from config.api_keys import Role
from config.owners import PRODUCT
from mcp_config.audit import Audit, AuditEntry, Unaudited
from mcp_config.definitions.definition import Definition
from mcp_config.definitions.pins import Lock, Pin, build_pin, load_lock, write_lock
from mcp_config.definitions.suspicions import find_suspicions
from mcp_config.entries.server_config import ServerConfig
from mcp_config.server_health import ServerHealth
from mcp_config.tools import JsonObject

_MAX_PINS: Final = 1000
"""Of one server: what shows ever new tools fills neither memory nor disk."""
_RETRY_SECONDS: Final = 5.0
CHANGED: Final = (
    "the definition has changed since it was approved, and an admin has to approve it (`open-agent tools diff`)"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """A definition that no person has approved. `new`: it is the first one and in use; `changed`: it is put aside."""

    tool: str
    server: str
    kind: Literal["new", "changed"]
    sha256: str
    before: JsonObject | None
    """What was approved or seen first; None for what is new, or was too long to be kept."""
    after: JsonObject
    suspicions: tuple[str, ...]

    def says(self, server: str, kind: str, sha256: str) -> bool:
        """Two servers whose tools share a name may show the same definition: one put aside, one not."""
        return (self.server, self.kind, self.sha256) == (server, kind, sha256)


@dataclass(frozen=True)
class _Shown:
    """A change with what it takes to approve it."""

    change: Change
    program: str
    original_name: str


class NoChange(LookupError):
    """Nothing about the tool waits for approval."""


class ChangedAgain(RuntimeError):
    """The definition is no longer the one that was looked at."""


class Quarantine:
    """`shipped` comes with the product and is never written; `own` is what this installation saw and approved."""

    def __init__(
        self,
        shipped: Lock | None = None,
        own: Lock | None = None,
        file: Path | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._shipped, self._own, self._file = shipped or Lock(), own or Lock(), file
        self._audit = audit or Unaudited()
        self._shown: dict[str, _Shown] = {}
        self._told: set[tuple[str, str]] = set()
        self._to_record: list[AuditEntry] = []
        self._due = asyncio.Event()
        self._writing = threading.Lock()
        """Held by one thread at a time, and whoever is last writes what is newest."""
        self.approved: Callable[[], None] = lambda: None
        """Called when a tool was approved: there may be more to offer."""

    def admits(self, name: str, server: ServerConfig, definition: Definition) -> bool:
        """Tells whether the tool may be offered. What was never seen is, and is remembered."""
        seen = definition.pin
        pins = self._pins(server.name, server.program, definition.name)
        known = next((pin for pin in pins if pin.sha256 == seen.sha256), None)
        if known is not None and known.approved:
            self._shown.pop(name, None)
            return True
        full = not pins and len(self._own_pins(server)) >= _MAX_PINS
        changed = bool(pins and known is None) or full
        self._show(name, server, definition, seen, pins[-1] if changed and pins else None, changed=changed)
        if not pins and not full:
            self._own = self._own.with_pin(server.name, server.program, definition.name, seen)
            self._due.set()
        return not changed

    def _pins(self, server: str, program: str, tool: str) -> list[Pin]:
        found = (lock.find(server, program, tool) for lock in (self._shipped, self._own))
        return [pin for pin in found if pin is not None]

    def _own_pins(self, server: ServerConfig) -> dict[str, Pin]:
        pinned = self._own.servers.get(server.name)
        return pinned.tools if pinned is not None and pinned.program == server.program else {}

    def _show(
        self, name: str, server: ServerConfig, definition: Definition, seen: Pin, before: Pin | None, *, changed: bool
    ) -> None:
        kind: Literal["new", "changed"] = "changed" if changed else "new"
        if name in self._shown and self._shown[name].change.says(server.name, kind, seen.sha256):
            return
        suspicions = find_suspicions(definition.source)
        earlier = before.definition if before is not None else None
        change = Change(name, server.name, kind, seen.sha256, earlier, definition.source, suspicions)
        self._shown[name] = _Shown(change, server.program, definition.name)
        self._tell(change)

    def _tell(self, change: Change) -> None:
        if (told := (change.tool, change.sha256)) in self._told:
            return
        self._told.add(told)
        if change.suspicions:
            _log.warning("the definition of the tool %s %s", change.tool, "; ".join(change.suspicions))
        if change.kind == "changed":
            _log.warning(
                "the tool %s is not offered: its definition has changed; see `open-agent tools diff`", change.tool
            )
            self._to_record.append(_build_entry(change, PRODUCT, "service", "tool.quarantine", "changed"))
            self._due.set()

    # ------------------------------------------------------------------ what people ask
    def changes(self) -> list[Change]:
        return [self._shown[name].change for name in sorted(self._shown)]

    def find(self, name: str) -> Change | None:
        """Returns the change for which the tool is put aside."""
        shown = self._shown.get(name)
        return shown.change if shown is not None and shown.change.kind == "changed" else None

    def judge(self, server: str, health: ServerHealth) -> ServerHealth:
        """Returns the server's health in the light of what is put aside of it."""
        aside = [change.tool for change in self.changes() if change.server == server and change.kind == "changed"]
        if not aside or health.state not in ("ready", "degraded"):
            return health
        said = [health.detail, f"{', '.join(aside[:5])}: {CHANGED}"]
        return replace(health, state="degraded", detail="; ".join(filter(None, said)), tools=health.tools - len(aside))

    async def approve(self, name: str, sha256: str | None, by: str, role: Role) -> Change:
        """Takes the definition for good. Returns once that is written down.

        Raises:
            NoChange: nothing about the tool waits for approval.
            ChangedAgain: its hash is not `sha256`, which somebody looked at.
            OSError: it cannot be written down.
        """
        if (shown := self._shown.get(name)) is None:
            raise NoChange(name)
        change = shown.change
        if sha256 not in (None, change.sha256):
            raise ChangedAgain(name)
        await self._audit.record(_build_entry(change, by, role, "tool.approve", "approved"))
        pin = build_pin(change.after, approved=True)
        self._own = self._own.with_pin(change.server, shown.program, shown.original_name, pin)
        await self._write()
        if self._shown.get(name) is shown:
            del self._shown[name]
        self.approved()
        return change

    # ------------------------------------------------------------------ what is kept
    async def keep(self) -> None:
        """Writes down what was seen and put aside, for as long as it runs. What cannot be written is tried again."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._write()
                while self._to_record:
                    await self._audit.record(self._to_record[0])
                    del self._to_record[0]
            except OSError as error:
                _log.warning("definitions of tools cannot be kept in %s: %s", self._file, error.strerror)
                self._due.set()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _write(self) -> None:
        await asyncio.to_thread(self._write_newest)

    def _write_newest(self) -> None:
        with self._writing:
            if self._file is not None:
                write_lock(self._file, self._own)


def _build_entry(
    change: Change, by: str, role: Role, action: Literal["tool.quarantine", "tool.approve"], outcome: str
) -> AuditEntry:
    detail: JsonObject = {"server": change.server, "kind": change.kind, "sha256": change.sha256}
    return AuditEntry(by, role, action, change.tool, outcome, detail=detail)


@asynccontextmanager
async def open_quarantine(shipped: Path, own: Path, audit: Audit) -> AsyncIterator[Quarantine]:
    """Yields the quarantine over both lock files; only `own` is written.

    Raises:
        ConfigError: one of them cannot be read.
    """
    quarantine = Quarantine(load_lock(shipped), load_lock(own), own, audit)
    keeper = asyncio.create_task(quarantine.keep(), name="tool definitions")
    try:
        yield quarantine
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
