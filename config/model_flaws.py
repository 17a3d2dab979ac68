"""Where in a value pydantic found something wrong: by the value's own keys, never by the shapes that were tried."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic import JsonValue
from pydantic_core import ErrorDetails

from config.key_path import KeyPath
from config.wording import complaint, expectation, kind, quoted


@dataclass(frozen=True)
class Misfit:
    """What pydantic says of one place, for one of the shapes it tried there."""

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
    return [Flaw(path, describe(found)) for path, found in group_misfits(root, errors)]


def group_misfits(root: JsonValue, errors: Iterable[ErrorDetails]) -> list[tuple[KeyPath, list[Misfit]]]:
    """Returns what is wrong by place; what a mistake deeper inside says better is left out."""
    found = [_misfit(root, details) for details in errors]
    telling = [misfit for misfit in found if not _is_explained(misfit, found)]
    return [(path, list(group)) for path, group in groupby(telling, key=lambda misfit: misfit.path)]


def describe(misfits: Sequence[Misfit]) -> str:
    """Returns in few words what is wrong at one place."""
    first = misfits[0]
    expected = [text for misfit in misfits if (text := expectation(misfit.error))]
    if not expected:
        return complaint(first.error)
    if first.error["type"] == "literal_error":
        return f"expected {' or '.join(expected)}, got {quoted(first.value)}"
    return f"expected {' or '.join(dict.fromkeys(expected))}, got {kind(first.value)}"


def _misfit(root: JsonValue, error: ErrorDetails) -> Misfit:
    value, path, skipped = root, list[str | int](), 0
    for part in error["loc"]:
        children = _children(value)
        if part in children:
            value = children[part]
            path.append(part)
        else:
            skipped += 1  # pydantic names the union's member it tried; the value has no such key
    if error["type"] == "missing" and error["loc"]:
        return Misfit((*path, error["loc"][-1]), None, skipped > 1, error)
    return Misfit(tuple(path), value, skipped > 0, error)


def _children(value: JsonValue) -> Mapping[str | int, JsonValue]:
    if isinstance(value, dict):
        return dict(value.items())
    return dict(enumerate(value)) if isinstance(value, list) else {}


def _is_explained(misfit: Misfit, found: Iterable[Misfit]) -> bool:
    """Tells whether a mistake deeper inside says it better: `model[1]` is wrong, not that `model` is a list."""
    return misfit.in_union and any(
        other.in_union and len(other.path) > len(misfit.path) and other.path[: len(misfit.path)] == misfit.path
        for other in found
    )
