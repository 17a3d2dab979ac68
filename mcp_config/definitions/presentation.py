"""How a server presents a tool to people and programs (title, icons, …): cleaned here, and no decision rests on it.

It is handed on to MCP clients; models and pins know nothing of it.
"""

from typing import Final

from pydantic import JsonValue

from mcp_config.names import MAX_DESCRIPTION, clean_text
from mcp_config.tools import JsonObject

_MAX_TITLE: Final = 200
_MAX_ICONS: Final = 10
_SAFE_SOURCES: Final = ("https://", "data:image/")
"""Of a picture that a client may load; a page would not run it, and no program is named by it."""
_WORDS: Final = ("description", "title", "$comment")


def build_presentation(entry: JsonObject, *, promises: bool) -> JsonObject:
    """Returns title, output schema, icons and `_meta` of an entry. `promises`: its output schema can be applied."""
    shown: JsonObject = {}
    if title := build_title(entry.get("title")):
        shown["title"] = title
    if promises:
        shown["outputSchema"] = clean_words(entry["outputSchema"])
    if icons := _find_icons(entry.get("icons")):
        shown["icons"] = icons
    if isinstance(meta := entry.get("_meta"), dict):
        shown["_meta"] = clean_all(meta)
    return shown


def build_title(title: JsonValue) -> str:
    return clean_text(title, _MAX_TITLE) if isinstance(title, str) else ""


def clean_words(schema: JsonValue) -> JsonValue:
    """Returns a schema whose words for people hold nothing that nobody sees; what it says of data is left alone."""
    match schema:
        case dict():
            return {key: _clean_word(key, value) for key, value in schema.items()}
        case list():
            return [clean_words(each) for each in schema]
        case _:
            return schema


def clean_all(value: JsonValue) -> JsonValue:
    """Returns data none of whose texts holds what nobody sees."""
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_text(key): clean_all(each) for key, each in value.items()}
        case list():
            return [clean_all(each) for each in value]
        case _:
            return value


def _clean_word(key: str, value: JsonValue) -> JsonValue:
    return clean_text(value, MAX_DESCRIPTION) if key in _WORDS and isinstance(value, str) else clean_words(value)


def _find_icons(icons: JsonValue) -> list[JsonValue]:
    """Returns the icons that are pictures by their address."""
    listed = icons if isinstance(icons, list) else []
    safe = [icon for icon in listed if isinstance(icon, dict) and str(icon.get("src")).startswith(_SAFE_SOURCES)]
    return [clean_all(icon) for icon in safe[:_MAX_ICONS]]
