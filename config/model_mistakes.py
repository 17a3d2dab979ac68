"""Turns what pydantic found wrong in a document into mistakes with line, key and what was expected."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from config.errors import Mistake
from config.key_path import KeyPath, shown_key
from config.model_flaws import Misfit, describe, group_misfits
from config.wording import suggestion
from config.yaml_document import Document

_Schema = Mapping[str, Any]
"""A JSON schema as pydantic makes it: `Any` because its shape depends on the model."""


def build_mistakes(document: Document, model: type[BaseModel], error: ValidationError) -> list[Mistake]:
    """Returns one mistake per value that is wrong, in the order of the file's lines."""
    schema = model.model_json_schema()
    mistakes = [
        Mistake(document.source, document.line(path), shown_key(path), _detail(group, schema))
        for path, group in group_misfits(document.value, error.errors(include_url=False))
    ]
    return sorted(mistakes, key=lambda mistake: mistake.line or 0)


def _detail(misfits: Sequence[Misfit], schema: _Schema) -> str:
    first = misfits[0]
    if first.error["type"] == "extra_forbidden":
        return f"unknown key{suggestion(str(first.path[-1]), _known_keys(schema, first.path[:-1]))}"
    return describe(misfits)


def _known_keys(schema: _Schema, path: KeyPath) -> set[str]:
    shapes = _shapes(schema, schema)
    for part in path:
        shapes = [deeper for shape in shapes for deeper in _step(shape, part, schema)]
    return {key for shape in shapes for key in shape.get("properties", {})}


def _step(shape: _Schema, part: str | int, root: _Schema) -> list[_Schema]:
    if isinstance(part, int):
        return _shapes(shape.get("items"), root)
    return _shapes(shape.get("properties", {}).get(part, shape.get("additionalProperties")), root)


def _shapes(schema: object, root: _Schema) -> list[_Schema]:
    """Returns the schema itself, behind its reference, or each of those it allows."""
    if not isinstance(schema, Mapping):
        return []
    if reference := schema.get("$ref"):
        return _shapes(root["$defs"][reference.removeprefix("#/$defs/")], root)
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return [shape for choice in choices for shape in _shapes(choice, root)]
    return [schema]
