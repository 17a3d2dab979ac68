"""A09: hostile schemas are put aside when they are listed, fetch nothing, cost bounded time; the other tools work."""

import socket
import time

import pytest
from pydantic import JsonValue

from mcp_config.definitions.definition import build_listing
from mcp_config.definitions.schema import ArgumentSchema
from mcp_config.tools import JsonObject


def offer(schema: JsonValue) -> JsonValue:
    return {"name": "bad", "description": "d", "inputSchema": schema}


def nested(levels: int) -> JsonObject:
    node: JsonObject = {}
    for _ in range(levels):
        node = {"items": node}
    return node


GOOD: JsonValue = {"name": "good", "description": "d", "inputSchema": {"type": "object"}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "nothing is fetched"),
        ({"properties": {"a": {"$dynamicRef": "https://example.com/s"}}}, "nothing is fetched"),
        ({"properties": {"a": {"pattern": "(((("}}}, "cannot be used"),
        ({"description": "x" * 5_000_000}, "longer than 256 KiB"),
        (nested(200), "nests deeper than 64"),
        ({"type": "objekt"}, "its schema is wrong"),
        ("no schema", "has no `inputSchema` object"),
    ],
)
def test_a_hostile_schema_is_put_aside_with_its_reason_and_the_next_tool_stands(schema: JsonValue, words: str) -> None:
    began = time.process_time()
    listing = build_listing([offer(schema), GOOD])
    assert time.process_time() - began < 1
    assert [tool.name for tool in listing.tools] == ["good"]
    assert words in listing.quarantined[0]


def test_a_reference_to_an_address_is_not_followed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        listing = build_listing([offer({"properties": {"a": {"$ref": address}}}), offer({"$schema": address})])
        assert "nothing is fetched" in listing.quarantined[0]
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 100_000 + "!"}),
        ({"$ref": "#"}, {}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}, {}),
    ],
)
def test_a_slow_pattern_or_an_endless_reference_costs_bounded_time(schema: JsonObject, arguments: JsonObject) -> None:
    checked = ArgumentSchema(schema)
    began = time.process_time()
    assert checked.complaint(arguments)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": {"a": {"pattern": "(?:(?:(?:a?){100}){100}){100}"}}}, "repeats too much"),
        ({"properties": {"a": {"pattern": "(?i)" + "é" * 4_000}}}, "too long"),
        ({"patternProperties": {"(" * 1_000 + ")" * 1_000: {}}}, "repeats too much"),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "enum": [{"a": n} for n in range(15_000)]},
            "",  # each value was once compared with each
        ),
    ],
)
def test_what_is_slow_to_make_ready_costs_bounded_time_and_the_next_tool_stands(schema: JsonValue, words: str) -> None:
    began = time.process_time()
    listing = build_listing([offer(schema), GOOD])
    assert time.process_time() - began < 1
    assert listing.tools[-1].name == "good"
    assert words in "".join(listing.quarantined)


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]{1,63}(?:\\.[a-z]{1,63}){0,126}$",
        "^.{0,65536}$",
        "^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
        "^(?!.*\\.\\.)[^\\s@]+@(?:[^\\s@.]+\\.)+[^\\s@.]{2,}$",
        "^\\p{L}[\\p{L}\\p{N}_ -]*$",
        "^(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.|$)){4}$",
    ],
)
def test_an_honest_pattern_is_taken(pattern: str) -> None:
    assert build_listing([offer({"properties": {"a": {"pattern": pattern}}})]).tools
