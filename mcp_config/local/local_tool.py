"""Tools that run in this process, on the caller's behalf: offered and governed like those of MCP servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from mcp_config.definitions.definition import Definition
from mcp_config.definitions.schema import ArgumentSchema
from mcp_config.tools import CallTool, JsonObject

READS: Final[Mapping[str, JsonValue]] = {"readOnlyHint": True}
SETTLES: Final[Mapping[str, JsonValue]] = {"idempotentHint": True}
"""Doing it twice is doing it once."""


@dataclass(frozen=True)
class LocalTool:
    """One tool of the house. What it may see of a call's owner it takes from `call.caller`, never from arguments."""

    server: str
    name: str
    description: str
    schema: JsonObject
    act: CallTool
    annotations: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def definition(self) -> Definition:
        return Definition(self.name, self.description, ArgumentSchema(self.schema), self.annotations)
