"""A schema as models and their providers take it: made from the tool's own, never used to check arguments.

One schema that a provider dislikes makes it refuse the whole request, so everything doubtful is made plain here.
"""

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

from config.json_pointer import split_pointer
from mcp_config.definitions.presentation import clean_all
from mcp_config.names import clean_text
from mcp_config.tools import JsonObject

_MAX_INLINED: Final = 6
"""How deep references into one another are followed; what lies deeper may be anything."""
_MAX_NODES: Final = 2000
_MAX_DESCRIPTION: Final = 400
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor", "$id"})
_DROPPED: Final = _REFERENCES | {"$schema", "$comment", "$defs", "definitions", "title"}
_ONE: Final = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"})
_NAMED: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LISTED: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})


def build_model_schema(schema: JsonObject) -> JsonObject:
    """Returns the normalised copy: an object with `properties`, no references, no choice at the top, short texts."""
    plain = _flattened(_Copier(schema).copy(schema, 0))
    plain["type"] = "object"
    properties = _named(plain.setdefault("properties", {}))
    asked = _listed(plain.pop("required", None))
    required: list[JsonValue] = [name for name in asked if isinstance(name, str) and name in properties]
    return {**plain, "required": required} if required else plain


class _Copier:
    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._nodes = 0

    def copy(self, node: JsonValue, inlined: int) -> JsonObject:
        self._nodes += 1
        if not isinstance(node, dict) or self._nodes > _MAX_NODES:
            return {}  # `true`, `false` and what is no schema: anything goes, and the server's own schema decides
        if isinstance(node.get("$ref"), str):
            return self._inline(node, inlined)
        copied = {key: self._keyword(key, value, inlined) for key, value in node.items() if _is_wellformed(key, value)}
        return _completed(_without_null(copied))

    def _inline(self, node: JsonObject, inlined: int) -> JsonObject:
        target = _find(self._root, str(node["$ref"])) if inlined < _MAX_INLINED else None
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return self.copy({**target, **beside} if isinstance(target, dict) else beside, inlined + 1)

    def _keyword(self, key: str, value: JsonValue, inlined: int) -> JsonValue:
        if key in _NAMED and isinstance(value, dict):
            return {clean_text(name): self.copy(schema, inlined) for name, schema in value.items()}
        if key in _LISTED and isinstance(value, list):
            return [self.copy(schema, inlined) for schema in value]
        if key in _ONE and isinstance(value, dict):
            return self.copy(value, inlined)
        if key == "description" and isinstance(value, str):
            return clean_text(value, _MAX_DESCRIPTION)
        return clean_all(value)  # a choice or a name that held what nobody sees can then not be used: rightly


def _is_wellformed(key: str, value: JsonValue) -> bool:
    """What does not fit its keyword is left out: the server's own schema still holds, this copy only describes it."""
    if key in _DROPPED:
        return False
    if key in _NAMED:
        return isinstance(value, dict)
    if key in _ONE:
        return isinstance(value, dict) or (key == "additionalProperties" and isinstance(value, bool))
    if key in _LISTED or key in ("enum", "required"):
        return isinstance(value, list) and len(value) > 0
    if key == "type":
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))
    return key != "description" or isinstance(value, str)


def _find(root: JsonObject, reference: str) -> JsonValue:
    """Returns what a local reference points to, or None. Nothing is fetched."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    node: JsonValue = root
    for key in split_pointer(reference):
        if not isinstance(node, dict):
            return None
        node = node.get(key)
    return node


def _without_null(node: JsonObject) -> JsonObject:
    """An argument that may be null may be left out: small models do better without the choice."""
    if isinstance(types := node.get("type"), list):
        kept = [name for name in types if name != "null"] or types
        node = {**node, "type": kept[0] if len(kept) == 1 else kept}
    for key in ("anyOf", "oneOf"):
        if isinstance(choices := node.get(key), list):
            kept = [choice for choice in choices if choice != {"type": "null"}]
            if len(kept) == 1 and isinstance(kept[0], dict):
                rest = {name: value for name, value in node.items() if name != key}
                node = _without_null({**kept[0], **rest})
    return node


def _completed(node: JsonObject) -> JsonObject:
    if node.get("type") == "array" and not isinstance(node.get("items"), dict):
        node = {**node, "items": {}}
    if node.get("type") == "object" and not isinstance(node.get("properties"), dict):
        node = {**node, "properties": {}}
    return node


def _flattened(node: JsonObject) -> JsonObject:
    """Merges the branches of a choice at the top into one object: providers take no choice there."""
    plain = {key: value for key, value in node.items() if key not in _TOP_LEVEL}
    for key, join in _TOP_LEVEL.items():
        branches = [_flattened(b) for b in _listed(node.get(key)) if isinstance(b, dict)] if join else []
        if branches and join:
            properties = [_named(branch.get("properties")) for branch in branches]
            plain["properties"] = _merged([*properties, _named(plain.get("properties"))])
            asked = [{name for name in _listed(b.get("required")) if isinstance(name, str)} for b in branches]
            own = [name for name in _listed(plain.get("required")) if isinstance(name, str)]
            plain["required"] = list(dict.fromkeys([*own, *sorted(join(asked))]))
            plain.pop("additionalProperties", None)
    return plain


_TOP_LEVEL: Final[Mapping[str, Callable[[list[set[str]]], set[str]] | None]] = {
    "allOf": lambda asked: set[str]().union(*asked),
    "anyOf": lambda asked: asked[0].intersection(*asked[1:]),
    "oneOf": lambda asked: asked[0].intersection(*asked[1:]),
    "not": None,
    "if": None,
    "then": None,
    "else": None,
    "enum": None,
    "const": None,
    "dependentSchemas": None,
}


def _merged(maps: list[JsonObject]) -> JsonObject:
    return {name: schema for one in maps for name, schema in one.items()}


def _named(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
