"""JSON Schemas that models are held to, in the few keywords that every provider's grammar knows."""

from collections.abc import Mapping

from mcp_config.tools import JsonObject


def build_object(properties: Mapping[str, JsonObject]) -> JsonObject:
    """Returns the schema of an object with all of these properties and no other: strict modes take nothing less."""
    return {
        "type": "object",
        "properties": {**properties},
        "required": [*properties],
        "additionalProperties": False,
    }
