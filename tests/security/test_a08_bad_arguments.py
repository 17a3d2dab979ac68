"""A08: arguments that do not fit the tool's schema go back with the place and the rule; its server is never called."""

import pytest
from pydantic import JsonValue

from mcp_config.definitions.schema import ArgumentSchema
from mcp_config.tools import JsonObject
from tests.mcp_config.rig import chaos, open_rig

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "size": {"enum": ["s", "m"]},
        "count": {"type": "integer", "maximum": 9},
    },
    "required": ["text"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'text' is a required property"),
        ({"text": 5}, "at /text: 5 is not of type 'string'"),
        ({"text": "a", "extra": 1}, "the property 'extra' is not taken"),
        ({"text": "a", "size": "xl"}, "at /size: 'xl' is not one of ['s', 'm']"),
        ({"text": "a", "count": 10**400}, "is greater than the maximum of 9"),
        ({"text": "a", "count": float("nan")}, "hold a number that is not finite"),
        ({"text": "a", "count": True}, "at /count: True is not of type 'integer'"),
        ({"text": "a", "__proto__": {"admin": True}}, "the property '__proto__' is not taken"),
        ({"text": None}, "at /text: None is not of type 'string'"),
    ],
)
def test_each_kind_of_bad_argument_is_told_with_its_place(arguments: JsonObject, words: str) -> None:
    assert words in ArgumentSchema(SCHEMA).complaint(arguments)


@pytest.mark.slow
async def test_the_server_never_sees_a_call_that_does_not_fit() -> None:
    bad: list[dict[str, JsonValue]] = [{}, {"text": 5}, {"text": ["a"]}, {"text": None}]
    async with open_rig(chaos("well")) as rig:
        for arguments in bad:
            refused = await rig.call("well__echo", **arguments)
            assert (refused.status, refused.error_code) == ("error", "invalid_arguments")
            assert "Correct the arguments and call again" in refused.content
        seen = (await rig.call("well__count")).structured
    assert isinstance(seen, dict)
    assert isinstance(calls := seen["calls"], list)
    assert [str(call).partition(" ")[0] for call in calls] == ["count"]
    assert rig.ledger.entries == ["started well__count", "ok well__count"]
