"""Whether arguments fulfil a condition of a rule. What allows is read narrowly, what denies or asks widely.

A server may read an argument with a looser eye than we do: other letters' case, other widths, a list for a text.
"""

import json
import unicodedata
from collections.abc import Iterator
from fnmatch import fnmatchcase

from pydantic import JsonValue

from config.json_pointer import split_pointer
from config.policies import Condition
from mcp_config.tools import JsonObject


def fulfils(condition: Condition, arguments: JsonObject) -> bool:
    """Tells whether the argument is there, and is what the condition wants."""
    try:
        value = _at(condition.argument, arguments)
    except LookupError:
        return False
    return (
        (condition.equals is None or _same(value, condition.equals))
        and (condition.one_of is None or any(_same(value, choice) for choice in condition.one_of))
        and (condition.matches is None or (isinstance(value, str) and fnmatchcase(value, condition.matches)))
        and (condition.max_length is None or _length(value) <= condition.max_length)
    )


def may_fulfil(condition: Condition, arguments: JsonObject) -> bool:
    """Tells whether the argument, or anything within it, could be taken for what the condition wants."""
    try:
        value = _at(condition.argument, arguments)
    except LookupError:
        return False
    within = list(_within(value))
    return (
        (condition.equals is None or any(_alike(each, condition.equals) for each in within))
        and (condition.one_of is None or any(_alike(each, one) for each in within for one in condition.one_of))
        and (condition.matches is None or _matches_any(within, condition.matches))
        and (condition.max_length is None or _length(value) <= condition.max_length)
    )


def _at(pointer: str, arguments: JsonObject) -> JsonValue:
    """Raises `LookupError` when there is nothing."""
    value: JsonValue = arguments
    for key in split_pointer(pointer):
        match value:
            case dict():
                value = value[key]
            case list() if key.isdecimal():
                value = value[int(key)]
            case _:
                raise LookupError(pointer)
    return value


def _within(value: JsonValue) -> Iterator[JsonValue]:
    """Yields the value and all that is in it."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        yield each
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _matches_any(values: list[JsonValue], glob: str) -> bool:
    plain = _fold(glob)
    return any(fnmatchcase(_fold(_text(each)), plain) for each in values if not isinstance(each, dict | list))


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _alike(one: JsonValue, other: JsonValue) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return _fold(one) == _fold(other)
    return _same(one, other)


def _same(one: JsonValue, other: JsonValue) -> bool:
    """Compares as JSON does, where `true` is not 1, at any depth."""
    match one, other:
        case (dict(), dict()):
            return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
        case (list(), list()):
            return len(one) == len(other) and all(map(_same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and one == other


def _length(value: JsonValue) -> int:
    """Of a text its characters, of a list or an object its members, of anything else what it is written with."""
    if value is None:
        return 0
    return len(value) if isinstance(value, str | list | dict) else len(json.dumps(value))
