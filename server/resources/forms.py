"""The form that a tool server's question wants filled in, as people are shown it, and what they type into it. Pure.

It says nothing of whether an answer fits: that is checked against the server's own schema.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from server.resources.approvals import Approval

_YES: Final = frozenset({"y", "yes", "true", "on"})
_NO: Final = frozenset({"n", "no", "false", "off"})
_KINDS: Final = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "yes or no"}


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    """As JSON Schema calls it."""
    required: bool
    label: str
    """What it is about, in the server's words; may be empty."""
    choices: tuple[str, ...]
    default: JsonValue

    @property
    def wanted(self) -> str:
        """What may stand there, in a few words."""
        what = f"one of {', '.join(self.choices)}" if self.choices else _KINDS.get(self.kind, "JSON")
        return what if self.required else f"{what}; may stay empty"

    def read(self, typed: str) -> JsonValue:
        """Returns what was typed as a value of this kind; what is none stays text, and is refused as that."""
        if self.kind == "string":
            return typed
        if self.kind == "boolean" and typed.strip().lower() in _YES | _NO:
            return typed.strip().lower() in _YES
        try:
            value: JsonValue = json.loads(typed)
        except ValueError:
            return typed
        return value


def read_form(arguments: Mapping[str, JsonValue]) -> list[Field]:
    """Returns the fields of a question's `requestedSchema`."""
    schema = arguments.get("requestedSchema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    required = schema.get("required") if isinstance(schema, dict) else None
    wanted = required if isinstance(required, list) else []
    return [
        _field(name, each if isinstance(each, dict) else {}, required=name in wanted)
        for name, each in (fields.items() if isinstance(fields, dict) else ())
    ]


def describe_question(approval: Approval) -> str:
    """Returns what is asked, a line for each thing that is wanted."""
    lines = [f"  {field.name} ({field.wanted}) {field.label}".rstrip() for field in read_form(approval.arguments)]
    return "\n".join([f"{approval.tool} asks: {approval.arguments.get('message', '')}", *lines])


def _field(name: str, said: Mapping[str, JsonValue], *, required: bool) -> Field:
    about = [str(said[key]) for key in ("title", "description") if said.get(key)]
    return Field(name, str(said.get("type")), required, ": ".join(about), _choices(said), said.get("default"))


def _choices(said: Mapping[str, JsonValue]) -> tuple[str, ...]:
    if isinstance(named := said.get("enum"), list):
        return tuple(map(str, named))
    titled = said.get("oneOf")
    each_of = titled if isinstance(titled, list) else []
    return tuple(str(each["const"]) for each in each_of if isinstance(each, dict) and "const" in each)
