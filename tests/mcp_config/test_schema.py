"""Checking arguments: words a model can act on, and hostile schemas that cost no time."""

import time
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from mcp_config.definitions.schema import ArgumentSchema, UnusableSchema
from mcp_config.tools import JsonObject


def complaint(schema: JsonObject, arguments: JsonObject) -> str:
    return ArgumentSchema(schema).complaint(arguments)


@pytest.mark.parametrize(
    ("schema", "arguments", "words"),
    [
        (
            {"properties": {"n": {"type": "integer", "maximum": 5}}},
            {"n": 6},
            "at /n: 6 is greater than the maximum of 5",
        ),
        ({"properties": {"n": {"type": "integer"}}}, {"n": "6"}, "at /n: '6' is not of type 'integer'"),
        ({"properties": {"k": {"enum": ["a", "b"]}}}, {"k": "c"}, "at /k: 'c' is not one of ['a', 'b']"),
        (
            {"properties": {"a": {}, "b": {}}, "additionalProperties": False},
            {"c": 1},
            "at the top level: the property 'c' is not taken; the properties are: a, b",
        ),
        ({"additionalProperties": {"type": "string"}}, {"c": 1}, "at /c: 1 is not of type 'string'"),
        (
            {"properties": {"x": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
            {"x": 1},
            "at /x: fits none of the choices (1 is not of type 'string' or 1 is not of type 'null')",
        ),
        ({"properties": {"a/b": {"type": "array", "items": {"type": "null"}}}}, {"a/b": [None, 1]}, "at /a~1b/1: 1 is"),
        ({"properties": {"p": {"pattern": "^a+$"}}}, {"p": "b"}, "at /p: 'b' does not match the pattern '^a+$'"),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"xy": 1}, "at /xy: 1 is not of type 'null'"),
        ({"properties": {"u": {"uniqueItems": True}}}, {"u": [1, 1]}, "at /u: has an item twice"),
        ({"properties": {"u": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "null"}}}, {"u": 1}, "at /u: 1 is not"),
        (
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "properties": {"n": {"maximum": 1, "exclusiveMaximum": True}},
            },
            {"n": 1},
            "at /n: 1 is greater than or equal to the maximum of 1",
        ),
    ],
)
def test_complaint_names_the_place_and_the_rule(schema: JsonObject, arguments: JsonObject, words: str) -> None:
    assert words in complaint(schema, arguments)


def test_fitting_arguments_bring_no_complaint_and_nothing_is_coerced() -> None:
    schema: JsonObject = {"properties": {"t": {"type": "string"}}, "required": ["t"], "additionalProperties": False}
    assert complaint(schema, {"t": "5"}) == ""


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "its schema is wrong at /type"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:1/x"}}}, "nothing is fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "nothing is fetched"),
        ({"properties": {"a": {"pattern": "("}}}, "cannot be used"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "beside `unevaluatedProperties`"),
    ],
)
def test_unusable_schema_is_refused_when_it_is_read(schema: JsonObject, words: str) -> None:
    with pytest.raises(UnusableSchema, match=words):
        ArgumentSchema(schema)


def deep(levels: int) -> JsonObject:
    node: JsonObject = {}
    for _ in range(levels):
        node = {"properties": {"a": node}}
    return node


def test_schema_and_arguments_beyond_the_depth_are_refused() -> None:
    with pytest.raises(UnusableSchema, match="nests deeper than 64"):
        ArgumentSchema(deep(5000))
    assert "nest deeper than 64" in complaint({}, deep(5000))


def doubling(levels: int) -> JsonObject:
    """A schema whose references double at each level: 2 to the power of `levels` checks."""
    definitions = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return cast("JsonObject", {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {}}})


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 5000 + "!"}),
        ({"patternProperties": {"^(a|a)*$": {}}, "additionalProperties": False}, {"a" * 5000 + "!": 1}),
        (doubling(40), {}),
        ({"$ref": "#"}, {}),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [{"n": n} for n in range(30_000)]}),
        ({"properties": {"a": {"items": {"anyOf": [{"const": n} for n in range(2000)]}}}}, {"a": [0.5] * 30_000}),
    ],
)
def test_hostile_schema_or_arguments_cost_little_time(schema: JsonObject, arguments: JsonObject) -> None:
    checked = ArgumentSchema(schema)
    began = time.process_time()
    checked.complaint(arguments)
    assert time.process_time() - began < 1


json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_any_arguments_get_an_answer(arguments: JsonObject) -> None:
    schema: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    fits = all(key == "a" and isinstance(value, str) for key, value in arguments.items())
    assert (complaint(schema, arguments) == "") == fits


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), [{"x": float("inf")}], "half \ud800", {"\udfff": 1}])
def test_what_json_cannot_carry_reaches_no_server(value: JsonValue) -> None:
    assert "not finite, or half a character" in complaint({"type": "object"}, {"a": value})
