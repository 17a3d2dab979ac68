"""The copy of a schema that models are given: plain, small, and taken by every provider."""

import copy
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from mcp_config.definitions.model_schema import build_model_schema
from mcp_config.tools import JsonObject


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        (
            {
                "$schema": "x",
                "title": "T",
                "type": "object",
                "properties": {"title": {"type": "string", "title": "Title"}},
            },
            {"type": "object", "properties": {"title": {"type": "string"}}},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array"}, "o": {"type": "object"}, "any": True}},
            {
                "type": "object",
                "properties": {
                    "a": {"type": "array", "items": {}},
                    "o": {"type": "object", "properties": {}},
                    "any": {},
                },
            },
        ),
        (
            {
                "properties": {
                    "n": {"type": ["string", "null"]},
                    "m": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                }
            },
            {"type": "object", "properties": {"n": {"type": "string"}, "m": {"type": "integer"}}},
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/x", "description": "D"}}, "$defs": {"x": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "string", "description": "D"}}},
        ),
        (
            {"properties": {"a": {"$ref": "http://x.test/y"}}},
            {"type": "object", "properties": {"a": {}}},
        ),
        (
            {
                "anyOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a", "c"]},
                    {"properties": {"b": {"type": "string"}}, "required": ["b", "c"]},
                ],
                "properties": {"c": {"type": "null"}},
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "null"}},
                "required": ["c"],
            },
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}], "properties": {"b": {}}, "required": ["b"]},
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b", "a"]},
        ),
    ],
)
def test_schema_is_made_plain(schema: JsonObject, expected: JsonObject) -> None:
    assert build_model_schema(schema) == expected


def test_recursive_references_end() -> None:
    tree: JsonObject = {
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"type": "object", "properties": {n: {"$ref": "#/$defs/node"} for n in "abcdefgh"}}},
    }
    assert len(str(build_model_schema(tree))) < 200_000


keywords = st.sampled_from(
    ["type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "required", "description", "title"]
)
anything: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "#", "#/$defs/a", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords | st.sampled_from("ab"), inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keywords, anything, max_size=5))
def test_whatever_a_server_says_the_copy_is_plain_and_the_original_untouched(schema: JsonObject) -> None:
    before = copy.deepcopy(schema)
    plain = build_model_schema(schema)
    assert schema == before
    assert plain["type"] == "object"
    assert isinstance(plain["properties"], dict)
    assert not {"anyOf", "oneOf", "allOf", "$schema", "$defs", "$ref"} & plain.keys()
    assert build_model_schema(plain) == plain
    for node in nodes(plain):
        assert "$ref" not in node
        if node.get("type") == "array":
            assert isinstance(node["items"], dict)


def nodes(schema: JsonValue) -> list[JsonObject]:
    """Every schema inside, found by structure: a property may be called anything."""
    if not isinstance(schema, dict):
        return []
    below = [schema.get("items"), *cast("dict[str, JsonValue]", schema.get("properties") or {}).values()]
    return [schema, *(node for inner in below for node in nodes(inner))]
