"""Reads tool definitions as servers give them, one by one: a bad one is put aside with its reason, the others stand."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pydantic import JsonValue

from mcp_config.definitions.pins import PARTS, Pin, build_pin
from mcp_config.definitions.presentation import build_presentation, build_title
from mcp_config.definitions.schema import ArgumentSchema, UnusableSchema
from mcp_config.names import MAX_DESCRIPTION, clean_text
from mcp_config.tools import JsonObject

_MAX_BYTES: Final = 256 * 1024
_MAX_TOOL_NAME: Final = 256
_MAX_SECONDS: Final = 10
"""Of the processor's time for one listing: hundreds of honest tools take a tenth of it."""
_WARNING: Final = "open-agent/warning"
_MAX_WARNINGS: Final = 3
_MAX_WARNING: Final = 500


@dataclass(frozen=True)
class Definition:
    """A tool in its server's words, proved usable."""

    name: str
    description: str
    schema: ArgumentSchema
    annotations: Mapping[str, JsonValue] = field(default_factory=dict)
    promise: ArgumentSchema | None = None
    """What it says its structured results are like, if that can be applied."""
    shown: JsonObject = field(default_factory=dict)
    """What MCP clients are shown beside: title, output schema, icons, `_meta`."""
    source: JsonObject = field(default_factory=dict)
    """What is pinned, as the server sent it."""

    @cached_property
    def pin(self) -> Pin:
        return build_pin(self.source, approved=False)


@dataclass(frozen=True)
class Listing:
    """What a server offers. `quarantined` says what was put aside, and why, a line each."""

    tools: tuple[Definition, ...]
    quarantined: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What the server itself says to who runs it: in the `_meta` of its tools."""

    @property
    def complaint(self) -> str:
        """What was put aside, and what the server warns of, in a line; empty where there is neither."""
        count = len(self.quarantined)
        aside = [f"{count} of its tools cannot be used: {'; '.join(self.quarantined[:5])}"] if count else []
        return " ".join([*aside, *self.warnings])


class _Bad(ValueError): ...


def build_listing(entries: Sequence[JsonValue]) -> Listing:
    """Returns the usable definitions in the server's order; of two with one name the first stands."""
    tools: dict[str, Definition] = {}
    quarantined = []
    ends_at = time.thread_time() + _MAX_SECONDS
    for position, entry in enumerate(entries):
        try:
            tool = _read(entry, ends_at)
        except (_Bad, UnusableSchema) as reason:
            quarantined.append(f"{_shown_name(entry, position)}: {reason}")
            continue
        if tools.setdefault(tool.name, tool) is not tool:
            quarantined.append(f"{_shown_name(entry, position)}: is listed twice; the first stands")
    return Listing(tuple(tools.values()), tuple(quarantined), _find_warnings(tools.values()))


def _read(entry: JsonValue, ends_at: float) -> Definition:
    if time.thread_time() > ends_at:
        raise _Bad("comes after others that took too long to check")
    if not isinstance(entry, dict):
        raise _Bad("is no object")
    name, description, annotations = entry.get("name"), entry.get("description"), entry.get("annotations")
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_TOOL_NAME:
        raise _Bad("has no usable name")
    if not isinstance(schema := entry.get("inputSchema"), dict):
        raise _Bad("has no `inputSchema` object")
    if len(json.dumps(entry)) > _MAX_BYTES:
        raise _Bad(f"its definition is longer than {_MAX_BYTES // 1024} KiB")
    shown = clean_text(description, MAX_DESCRIPTION) if isinstance(description, str) else ""
    source: JsonObject = {part: entry[part] for part in PARTS if part in entry}
    promise = _find_promise(entry)
    beside = build_presentation(entry, promises=promise is not None)
    return Definition(name, shown, ArgumentSchema(schema), _hints(annotations), promise, beside, source)


def _find_warnings(tools: Iterable[Definition]) -> tuple[str, ...]:
    metas = [tool.shown.get("_meta") for tool in tools]
    said = [meta.get(_WARNING) for meta in metas if isinstance(meta, dict)]
    words = dict.fromkeys(clean_text(warning, _MAX_WARNING) for warning in said if isinstance(warning, str))
    return tuple(words)[:_MAX_WARNINGS]


def _find_promise(entry: JsonObject) -> ArgumentSchema | None:
    promise = entry.get("outputSchema")
    try:
        return ArgumentSchema(promise) if isinstance(promise, dict) else None
    except UnusableSchema:
        return None  # a promise that cannot be checked is none; the tool itself can be used


def _hints(annotations: JsonValue) -> JsonObject:
    hints = annotations if isinstance(annotations, dict) else {}
    title: JsonObject = {"title": shown} if (shown := build_title(hints.get("title"))) else {}
    return title | {key: hint for key, hint in hints.items() if key.endswith("Hint") and isinstance(hint, bool)}


def _shown_name(entry: JsonValue, position: int) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return clean_text(name, 64) if isinstance(name, str) and name else f"tool {position + 1}"
