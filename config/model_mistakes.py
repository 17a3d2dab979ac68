"""Turns what pydantic found wrong in a document into mistakes with line, key and what was expected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from config.errors import Mistake
from config.key_path import KeyPath, shown_key
from config.wording import complaint, expectation, kind, quoted, suggestion
from config.yaml_document import Document

_Schema = Mapping[str, Any]
"""A JSON schema as pydantic makes it: `Any` because its shape depends on the model."""


@dataclass(frozen=True)
class _Finding:
    path: KeyPath
    value: JsonValue
    in_union: bool
    """Found while trying one of several shapes the value may have."""
    error: ErrorDetails


def build_mistakes(document: Document, model: type[BaseModel], error: ValidationError) -> list[Mistake]:
    """Returns one mistake per value that is wrong, in the order of the file's lines."""
    found = [_finding(document.value, details) for details in error.errors(include_url=False)]
    telling = [finding for finding in found if not _is_explained(finding, found)]
    schema = model.model_json_schema()
    mistakes = [
        Mistake(document.source, document.line(path), shown_key(path), _detail(list(group), schema))
        for path, group in groupby(telling, key=lambda finding: finding.path)
    ]
    return sorted(mistakes, key=lambda mistake: mistake.line or 0)


def _finding(root: JsonValue, error: ErrorDetails) -> _Finding:
    value, path, skipped = root, list[str | int](), 0
    for part in error["loc"]:
        children = _children(value)
        if part in children:
            value = children[part]
            path.append(part)
        else:
            skipped += 1  # pydantic names the union's member it tried; the file has no such key
    if error["type"] == "missing":
        return _Finding((*path, error["loc"][-1]), None, skipped > 1, error)
    return _Finding(tuple(path), value, skipped > 0, error)


def _children(value: JsonValue) -> Mapping[str | int, JsonValue]:
    if isinstance(value, dict):
        return dict(value.items())
    return dict(enumerate(value)) if isinstance(value, list) else {}


def _is_explained(finding: _Finding, found: Iterable[_Finding]) -> bool:
    """Tells whether a mistake deeper inside says it better: `model[1]` is wrong, not that `model` is a list."""
    return finding.in_union and any(
        other.in_union and len(other.path) > len(finding.path) and other.path[: len(finding.path)] == finding.path
        for other in found
    )


def _detail(findings: list[_Finding], schema: _Schema) -> str:
    first = findings[0]
    if first.error["type"] == "extra_forbidden":
        return f"unknown key{suggestion(str(first.path[-1]), _known_keys(schema, first.path[:-1]))}"
    expected = [text for finding in findings if (text := expectation(finding.error))]
    if not expected:
        return complaint(first.error)
    if first.error["type"] == "literal_error":
        return f"expected {' or '.join(expected)}, got {quoted(first.value)}"
    return f"expected {' or '.join(dict.fromkeys(expected))}, got {kind(first.value)}"


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
