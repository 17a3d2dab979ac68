"""Tool definitions as somebody approved them or they were first seen: what a lock file holds. Knows no servers.

A lock is text that is read in a diff: sorted, one value a line, and nothing invisible in it.
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from config.errors import ConfigError
from mcp_config.tools import JsonObject

PARTS: Final = ("name", "description", "inputSchema", "outputSchema", "annotations")
"""What a pin holds fast: all that a model is told or decided by."""
_ABOUT: Final = "Definitions of tools that may be offered. See them with `open-agent tools diff`; docs/mcp-servers.md"
_MAX_KEPT: Final = 16 * 1024
"""Bytes of a definition that is kept to be compared with; of a longer one only the hash is."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pin(_Strict):
    sha256: Sha256
    approved: bool = True
    """A person looked at it; else it was only seen first."""
    definition: JsonObject | None = None


class PinnedServer(_Strict):
    program: str
    """What runs under the server's name; of another program these pins say nothing."""
    tools: dict[str, Pin]


class Lock(_Strict):
    about: str = _ABOUT
    servers: dict[str, PinnedServer] = {}

    def find(self, server: str, program: str, tool: str) -> Pin | None:
        pinned = self.servers.get(server)
        return pinned.tools.get(tool) if pinned is not None and pinned.program == program else None

    def with_pin(self, server: str, program: str, tool: str, pin: Pin) -> "Lock":
        pinned = self.servers.get(server)
        if pinned is None or pinned.program != program:
            pinned = PinnedServer(program=program, tools={})
        # copies: a thousand pins are not to be validated again for one more
        changed = pinned.model_copy(update={"tools": {**pinned.tools, tool: pin}})
        return self.model_copy(update={"servers": {**self.servers, server: changed}})


def build_pin(definition: JsonObject, *, approved: bool) -> Pin:
    canonical = _canonical(definition)
    kept = definition if len(canonical) <= _MAX_KEPT else None
    return Pin(sha256=hashlib.sha256(canonical).hexdigest(), approved=approved, definition=kept)


def _canonical(definition: JsonObject) -> bytes:
    return json.dumps(definition, sort_keys=True, separators=(",", ":")).encode()


def load_lock(path: Path) -> Lock:
    """Returns what the file pins; nothing when there is no file.

    Raises:
        ConfigError: it cannot be read. Nothing is taken for approved then.
    """
    try:
        lock = Lock.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Lock()
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it does not have the form of a lock file"
        raise ConfigError(f"{path}: cannot be used: {why}. Put an older copy back, or remove it") from None
    for server, pinned in lock.servers.items():
        for tool, pin in pinned.tools.items():
            if pin.definition is not None and build_pin(pin.definition, approved=True).sha256 != pin.sha256:
                raise ConfigError(f"{path}: the hash of {server} {tool} is not that of its definition")
    return lock


def write_lock(path: Path, lock: Lock) -> None:
    """Replaces the file, all or nothing. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        beside.write_text(build_text(lock))
        beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def build_text(lock: Lock) -> str:
    return json.dumps(lock.model_dump(mode="json", exclude_none=True), indent=2, sort_keys=True) + "\n"
