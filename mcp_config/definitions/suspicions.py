"""What in a tool's definition a person should look at twice. A hint for people: nothing is decided by it."""

import re
from typing import Final

from pydantic import JsonValue

from mcp_config.names import MAX_DESCRIPTION, is_visible
from mcp_config.tools import JsonObject

_MAX_TEXT: Final = 64 * 1024
_ORDERS: Final = re.compile(
    r"ignore (?:all|any|previous|prior|the above)|disregard (?:all|any|previous|prior|the above)"
    r"|do not (?:tell|mention|inform|reveal)|without (?:telling|informing|asking) the user|system prompt"
    r"|before (?:using|calling) (?:this|any|other)|instead of (?:using|calling)|</?(?:important|system|instructions?)>",
    re.IGNORECASE,
)
"""Plain alternatives without repetition: matching is linear."""


def find_suspicions(definition: JsonObject) -> tuple[str, ...]:
    """Returns a line for each thing that good definitions do not have. None is no proof of harmlessness."""
    texts = _texts(definition)
    whole = "\n".join(texts)[:_MAX_TEXT]
    found = []
    if any(not is_visible(character) for character in whole):
        found.append("has characters that cannot be seen; they are taken out")
    if order := _ORDERS.search("".join(filter(is_visible, whole))):
        found.append(f"gives the model orders: {order.group()!r}")
    description = definition.get("description")
    if isinstance(description, str) and len(description) > MAX_DESCRIPTION:
        found.append(f"its description has {len(description)} characters, of which {MAX_DESCRIPTION} are shown")
    return tuple(found)


def _texts(value: JsonValue) -> list[str]:
    texts: list[str] = []
    layer: list[JsonValue] = [value]
    while layer:
        match layer.pop():
            case str() as text:
                texts.append(text)
            case dict() as node:
                texts += node
                layer += node.values()
            case list() as items:
                layer += items
            case _:
                pass
    return texts
