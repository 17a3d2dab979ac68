"""The tool by which a model reads more of what was too long for its prompt. Knows no database."""

import asyncio
from collections.abc import Iterator
from typing import Final, Protocol

from mcp_config.local.local_tool import READS, LocalTool
from mcp_config.tools import Caller, JsonObject, ToolCall, ToolResult

ARTIFACT_SERVER: Final = "artifact"
READ_ARTIFACT: Final = "artifact__read"
_MOST_BYTES: Final = 32 * 1024
_LEAST_BYTES: Final = 1024
_MOST_LINES: Final = 2000
_SHOWN_MATCHES: Final = 50
_AROUND_MATCH: Final = 200
_FRAME: Final = 100
"""Bytes, for the words around an excerpt that say what part of the whole it is."""
_SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "artifact_id": {"type": "string", "maxLength": 80, "description": "The id that the result named: art_…"},
        "offset": {"type": "integer", "minimum": 0, "description": "Characters to skip from the beginning."},
        "lines": {"type": "integer", "minimum": 1, "maximum": _MOST_LINES, "description": "How many lines at most."},
        "grep": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "Show only lines with this text in them, whatever its case.",
        },
    },
    "required": ["artifact_id"],
    "additionalProperties": False,
}


class ReadableArtifacts(Protocol):
    """The artifacts that one caller may read."""

    async def find_text(self, caller: Caller, artifact_id: str) -> str | None:
        """Returns a text artifact of the caller's run or conversation; None if there is no such one.

        Raises `ValueError`, saying what it is, for one that is no text.
        """


def build_artifact_tool(artifacts: ReadableArtifacts) -> LocalTool:
    async def read(call: ToolCall) -> ToolResult:
        artifact_id = str(call.arguments["artifact_id"])
        try:
            text = await artifacts.find_text(call.caller, artifact_id)
        except ValueError as error:
            return ToolResult("error", f"{artifact_id} cannot be read as text: {error}.", "not_text")
        if text is None:
            return ToolResult("error", f"This conversation has no artifact {artifact_id!r}.", "unknown_artifact")
        room = max(_LEAST_BYTES, min(_MOST_BYTES, call.room or _MOST_BYTES))
        return ToolResult("ok", await asyncio.to_thread(build_excerpt, text, call.arguments, room))

    description = "Reads more of a result or file that was too long to be shown whole and is kept as an artifact."
    return LocalTool(ARTIFACT_SERVER, "read", description, _SCHEMA, read, READS)


def build_excerpt(text: str, wanted: JsonObject, room: int) -> str:
    """Returns the wanted part of the text, in at most `room` bytes, under a line that says where in it that is."""
    offset, lines, grep = wanted.get("offset", 0), wanted.get("lines"), wanted.get("grep")
    begin = min(offset, len(text)) if isinstance(offset, int) else 0
    most = lines if isinstance(lines, int) else _MOST_LINES
    if isinstance(grep, str):
        return _matches(text, begin, grep, min(most, _SHOWN_MATCHES), room)
    chosen = "".join(text[begin : begin + room].splitlines(keepends=True)[:most])
    chosen = chosen.encode(errors="replace")[: room - _FRAME].decode(errors="ignore")
    return f"[characters {begin} to {begin + len(chosen)} of {len(text)}]\n{chosen}"


def _matches(text: str, begin: int, grep: str, most: int, room: int) -> str:
    found: list[str] = []
    size = 0
    for line in _found_lines(text, begin, grep):
        size += len(line.encode(errors="replace")) + 1
        if len(found) == most or size > room - _FRAME:
            return "\n".join([f"[the first {len(found)} lines with {grep!r}; go on with a larger offset]", *found])
        found.append(line)
    return "\n".join([f"[{len(found)} lines with {grep!r}, from character {begin} on]", *found])


def _found_lines(text: str, begin: int, grep: str) -> Iterator[str]:
    """Yields each matching line, or of a long one what lies around its first match, with the match's place."""
    place, lowered, needle = begin, text.lower(), grep.lower()
    if len(lowered) != len(text):  # a few letters grow when they are lowered: places would not fit any more
        lowered, needle = text, grep
    while (at := lowered.find(needle, place)) >= 0:
        start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        end = len(text) if end < 0 else end
        shown = text[max(start, at - _AROUND_MATCH) : min(end, at + _AROUND_MATCH)]
        yield f"{at}: {shown}"
        place = end + 1
