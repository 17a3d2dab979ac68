"""A tool as the registry offers it: its server's definition, under our name and our policies. Pure."""

from typing import cast

from config.policies import ToolSettings
from mcp_config.definitions.definition import Definition
from mcp_config.definitions.model_schema import build_model_schema
from mcp_config.definitions.presentation import clean_words
from mcp_config.tools import JsonObject, ToolSpec


def build_spec(name: str, server: str, definition: Definition, settings: ToolSettings, repeats: bool) -> ToolSpec:
    """Returns the tool as it is offered. `repeats` says whether its server is configured to be safe to ask again."""
    hints = definition.annotations
    by_hint = bool(hints.get("readOnlyHint") or hints.get("idempotentHint") or repeats)
    return ToolSpec(
        name=name,
        server=server,
        original_name=definition.name,
        description=definition.description,
        input_schema=cast(JsonObject, clean_words(definition.schema.schema)),
        model_schema=build_model_schema(definition.schema.schema),
        annotations=hints,
        shown=definition.shown,
        return_direct=bool(settings.return_direct),
        after=settings.after,
        untrusted="untrusted_input" in (settings.tags or ()),
        repeatable=by_hint if settings.idempotent is None else settings.idempotent,
    )
