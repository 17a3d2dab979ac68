"""The tools by which an agent remembers, recalls and forgets for the user it works for. Knows no database.

Whose memories they are is decided by the call's caller alone: no argument names a user.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from mcp_config.local.local_tool import READS, SETTLES, LocalTool
from mcp_config.tools import Caller, JsonObject, ToolCall, ToolResult

MEMORY_SERVER: Final = "memory"
RECALL_MEMORIES: Final = "memory__recall"
LONGEST_MEMORY: Final = 1000
"""Characters: a memory is a sentence or two, not a document."""
_MOST_RECALLED: Final = 20
_TEXT: Final[JsonObject] = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_MEMORY,
    "description": "One fact in a full sentence that can be understood by itself.",
}
_QUERY: Final[JsonObject] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 400,
    "description": "Words that the memory would hold.",
}
_ID: Final[JsonObject] = {"type": "string", "maxLength": 80, "description": "The memory's id: mem_…"}


@dataclass(frozen=True)
class Remembered:
    id: str
    text: str


class NotRemembered(Exception):
    """A text is not kept; `str(error)` tells a model why, and `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class MemoryKeeper(Protocol):
    """The memories of each user, never of several."""

    async def remember(self, caller: Caller, text: str) -> Remembered:
        """Keeps a text; one that is there already stays as it is. Raises `NotRemembered`."""

    async def recall(self, caller: Caller, query: str, most: int) -> list[Remembered]:
        """Returns the caller's memories that have to do with the query, the likeliest first."""

    async def forget(self, caller: Caller, memory_id: str) -> bool:
        """Removes a memory; false when the caller has no such one."""


def build_memory_tools(memories: MemoryKeeper) -> list[LocalTool]:
    async def remember(call: ToolCall) -> ToolResult:
        try:
            kept = await memories.remember(call.caller, str(call.arguments["text"]))
        except NotRemembered as error:
            return ToolResult("error", str(error), error.code)
        return ToolResult("ok", f"Remembered as {kept.id}.")

    async def recall(call: ToolCall) -> ToolResult:
        found = await memories.recall(call.caller, str(call.arguments["query"]), _MOST_RECALLED)
        lines = [f"- {memory.id}: {memory.text}" for memory in found]
        return ToolResult("ok", "\n".join(lines) or "Nothing is remembered that has these words.")

    async def forget(call: ToolCall) -> ToolResult:
        memory_id = str(call.arguments["memory_id"])
        if await memories.forget(call.caller, memory_id):
            return ToolResult("ok", f"{memory_id} is forgotten.")
        return ToolResult("error", f"There is no memory {memory_id!r}.", "unknown_memory")

    about_remember = "Keeps a lasting fact about the user for later conversations."
    about_recall = "Finds what is remembered about the user from earlier conversations."
    about_forget = "Removes one thing that is remembered about the user."
    return [
        LocalTool(MEMORY_SERVER, "remember", about_remember, _with("text", _TEXT), remember, SETTLES),
        LocalTool(MEMORY_SERVER, "recall", about_recall, _with("query", _QUERY), recall, READS),
        LocalTool(MEMORY_SERVER, "forget", about_forget, _with("memory_id", _ID), forget, SETTLES),
    ]


def _with(name: str, schema: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
