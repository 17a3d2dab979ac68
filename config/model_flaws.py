"""Where in a value pydantic found something wrong: by the value's own keys, never by the shapes that were tried."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic import JsonValue
from pydantic_core import ErrorDetails

from config.key_path import KeyPath
from config.wording import complaint, expectation, kind, quoted


@dataclass(frozen=True)
class Finding:
    path: KeyPath
    value: JsonValue
    in_union: bool
    """Found while trying one of several shapes the value may have."""
    error: ErrorDetails


@dataclass(frozen=True)
class Flaw:
    path: KeyPath
    detail: str


def find_flaws(root: JsonValue, errors: Iterable[ErrorDetails]) -> list[Flaw]:
    """Returns one flaw per place that is wrong, each in few words."""
    return [Flaw(path, describe(found)) for path, found in group_findings(root, errors)]


def group_findings(root: JsonValue, errors: Iterable[ErrorDetails]) -> list[tuple[KeyPath, list[Finding]]]:
    """Returns what is wrong by place; what a mistake deeper inside says better is left out."""
    found = [_finding(root, details) for details in errors]
    telling = [finding for finding in found if not _is_explained(finding, found)]
    return [(path, list(group)) for path, group in groupby(telling, key=lambda finding: finding.path)]


def describe(findings: Sequence[Finding]) -> str:
    """Returns in few words what is wrong at one place."""
    first = findings[0]
    expected = [text for finding in findings if (text := expectation(finding.error))]
    if not expected:
        return complaint(first.error)
    if first.error["type"] == "literal_error":
        return f"expected {' or '.join(expected)}, got {quoted(first.value)}"
    return f"expected {' or '.join(dict.fromkeys(expected))}, got {kind(first.value)}"


def _finding(root: JsonValue, error: ErrorDetails) -> Finding:
    value, path, skipped = root, list[str | int](), 0
    for part in error["loc"]:
        children = _children(value)
        if part in children:
            value = children[part]
            path.append(part)
        else:
            skipped += 1  # pydantic names the union's member it tried; the value has no such key
    if error["type"] == "missing" and error["loc"]:
        return Finding((*path, error["loc"][-1]), None, skipped > 1, error)
    return Finding(tuple(path), value, skipped > 0, error)


def _children(value: JsonValue) -> Mapping[str | int, JsonValue]:
    if isinstance(value, dict):
        return dict(value.items())
    return dict(enumerate(value)) if isinstance(value, list) else {}


def _is_explained(finding: Finding, found: Iterable[Finding]) -> bool:
    """Tells whether a mistake deeper inside says it better: `model[1]` is wrong, not that `model` is a list."""
    return finding.in_union and any(
        other.in_union and len(other.path) > len(finding.path) and other.path[: len(finding.path)] == finding.path
        for other in found
    )
