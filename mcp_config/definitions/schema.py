"""Checks arguments against a tool's own schema, within a bounded time and without fetching anything.

Both sides may be hostile: the schema is the server's, the arguments are a model's.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

import regex  # type: ignore[import-untyped]  # as in `patterns.py`
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from pydantic import JsonValue
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from config.json_pointer import build_pointer
from mcp_config.definitions.patterns import UnusablePattern, compile_patterns
from mcp_config.tools import JsonObject

MAX_SECONDS: Final = 0.25
"""Of this process's own time: how busy the computer is changes nothing."""
_MOMENT: Final = 0.005
"""Of the same: for so long all others may wait for one check."""
_READING_SECONDS: Final = 2.0
_FEW: Final = 500
"""Values in arguments that are looked at without leaving the loop, and"""
_SHORT: Final = 16 * 1024
"""characters in them."""
MAX_DEPTH: Final = 64
MAX_ARGUMENT_BYTES: Final = 1024 * 1024
_MAX_COMPLAINTS: Final = 3
_SHOWN: Final = 200


Rule = Callable[..., Iterator[ValidationError] | None]
"""What a keyword of a schema demands, as jsonschema calls it."""


class UnusableSchema(ValueError):
    """A tool's schema cannot be applied. The text says why."""


class _OutOfTime(RuntimeError): ...


class _Clock(threading.local):
    """Checks of one schema may be under way in several threads."""

    ends_at = 0.0


class _Descends(Protocol):
    """The part of a jsonschema validator that its rules use."""

    def descend(
        self, instance: object, schema: object, path: str, schema_path: str | None = None
    ) -> Iterator[ValidationError]: ...


class ArgumentSchema:
    """A tool's schema, proved usable.

    Raises:
        UnusableSchema: it is no JSON Schema, nests too deeply, or refers to what is not in it.
    """

    def __init__(self, schema: JsonObject) -> None:
        self.schema = schema
        self.defaults = _find_defaults(schema)
        """What the server says it takes for arguments that are left out."""
        self._clock = _Clock()
        if depth(schema, MAX_DEPTH) > MAX_DEPTH:
            raise UnusableSchema(f"its schema nests deeper than {MAX_DEPTH}")
        _check_references(schema)
        try:
            self._patterns = compile_patterns(schema)
        except UnusablePattern as error:
            raise UnusableSchema(str(error)) from None
        base = validator_for(schema, default=Draft202012Validator)
        bounded = {key: self._in_time(rule) for key, rule in {**base.VALIDATORS, **self._safe_rules()}.items()}
        # `extend` makes the class at run time, and has no types
        kind = extend(base, bounded)  # type: ignore[no-untyped-call]
        self._check_schema(kind(base.META_SCHEMA))
        self._validator: Validator = kind(schema, registry=EMPTY_REGISTRY)  # which retrieves nothing

    def _check_schema(self, rules: Validator) -> None:
        # without formats: they would judge patterns by `re`, which knows fewer than servers use
        self._clock.ends_at = time.thread_time() + _READING_SECONDS
        try:
            error = next(rules.iter_errors(self.schema), None)
        except _OutOfTime:
            raise UnusableSchema("it takes too long to check its schema") from None
        if error is not None:
            raise UnusableSchema(f"its schema is wrong at {_pointer(error)}: {error.message[:_SHOWN]}")

    async def find_complaint(self, arguments: JsonObject) -> str:
        """Returns what `complaint` does. What could take longer than a moment is done in a thread, where others have
        their turns meanwhile: `regex` lets go of the interpreter while it looks.
        """
        if not self._patterns and _is_small(arguments):
            with contextlib.suppress(_OutOfTime):
                return self._complain(arguments, _MOMENT)
        return await asyncio.to_thread(self.complaint, arguments)

    async def find_pointer(self, arguments: JsonObject) -> str:
        """Returns a JSON pointer to the first thing that `complaint` tells of; empty for the whole."""
        return await asyncio.to_thread(self._point, arguments)

    def complaint(self, arguments: JsonObject) -> str:
        """Returns what is wrong with the arguments in words a model can act on; empty when they fit."""
        try:
            return self._complain(arguments, MAX_SECONDS)
        except (_OutOfTime, TimeoutError):
            return "checking the arguments against the tool's schema takes too long; send simpler ones"

    def _complain(self, arguments: JsonObject, seconds: float) -> str:
        """Raises: `_OutOfTime` or `TimeoutError`."""
        if depth(arguments, MAX_DEPTH) > MAX_DEPTH:
            return f"the arguments nest deeper than {MAX_DEPTH}"
        try:
            size = len(json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode())
        except ValueError:  # a server would be sent something else, or nothing at all
            return "the arguments hold a number that is not finite, or half a character"
        if size > MAX_ARGUMENT_BYTES:
            return f"the arguments are longer than {MAX_ARGUMENT_BYTES // 1024} KiB"
        self._clock.ends_at = time.thread_time() + seconds
        try:
            return _told(self._validator.iter_errors(arguments))
        except (RecursionError, Unresolvable) as error:
            return f"the tool's schema cannot be applied ({type(error).__name__}); the tool cannot be used"

    def _point(self, arguments: JsonObject) -> str:
        if depth(arguments, MAX_DEPTH) > MAX_DEPTH:
            return ""
        self._clock.ends_at = time.thread_time() + MAX_SECONDS
        try:
            first = next(self._validator.iter_errors(arguments), None)
        except (_OutOfTime, TimeoutError, RecursionError, Unresolvable):
            return ""
        return build_pointer(first.absolute_path) if first else ""

    def _in_time(self, rule: Rule) -> Rule:
        def bounded(validator: object, value: object, instance: object, schema: object) -> Iterator[ValidationError]:
            if time.thread_time() > self._clock.ends_at:
                raise _OutOfTime
            yield from rule(validator, value, instance, schema) or ()

        return bounded

    def _safe_rules(self) -> Mapping[str, Rule]:
        return {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "uniqueItems": _unique_items,
        }

    def _matches(self, pattern: str, text: str) -> bool:
        left = max(0.001, self._clock.ends_at - time.thread_time())
        known = self._patterns.get(pattern) or regex.compile(pattern)  # the schema of schemas has some of its own
        return known.search(text, timeout=left) is not None

    def _pattern(self, _: object, pattern: str, instance: object, __: object) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not self._matches(pattern, instance):
            yield ValidationError(f"{_short(instance)} does not match the pattern {pattern!r}")

    def _pattern_properties(
        self, validator: _Descends, patterns: Mapping[str, object], instance: object, _: object
    ) -> Iterator[ValidationError]:
        for key, value in instance.items() if isinstance(instance, dict) else ():
            for pattern, schema in patterns.items():
                if self._matches(pattern, key):
                    yield from validator.descend(value, schema, path=key, schema_path=pattern)

    def _additional_properties(
        self, validator: _Descends, wanted: object, instance: object, schema: Mapping[str, Mapping[str, object]]
    ) -> Iterator[ValidationError]:
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key, value in instance.items() if isinstance(instance, dict) else ():
            if key in known or any(self._matches(pattern, key) for pattern in patterns):
                continue
            if wanted is False:
                takes = ", ".join(known) or "none"
                yield ValidationError(f"the property {_short(key)} is not taken; the properties are: {takes}")
            else:
                yield from validator.descend(value, wanted, path=key)


def _find_defaults(schema: JsonObject) -> JsonObject:
    properties = schema.get("properties")
    known = properties.items() if isinstance(properties, dict) else ()
    return {key: each["default"] for key, each in known if isinstance(each, dict) and "default" in each}


def _unique_items(_: object, wanted: bool, instance: object, __: object) -> Iterator[ValidationError]:
    # jsonschema compares each with each, which a long list makes endless
    seen = [json.dumps(item, sort_keys=True) for item in instance] if wanted and isinstance(instance, list) else []
    if len(set(seen)) < len(seen):
        yield ValidationError("has an item twice, and items must be unique")


def depth(value: JsonValue, limit: int) -> int:
    """Returns how deep a value nests; anything beyond the limit is `limit + 1`."""
    level, layer = 0, [value]
    while layer and level <= limit:
        children: list[JsonValue] = []
        for node in layer:
            children += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        level, layer = level + 1, children
    return level


def _is_small(arguments: JsonObject) -> bool:
    """Tells it from the first values: the rest of what is big is not looked at."""
    waiting: list[JsonValue] = [arguments]
    seen = length = 0
    while waiting and seen <= _FEW and length <= _SHORT:
        node = waiting.pop()
        seen += 1
        match node:
            case str():
                length += len(node)
            case dict() if len(node) <= _FEW:
                waiting += (*node, *node.values())
            case list() if len(node) <= _FEW:
                waiting += node
            case dict() | list():
                return False
    return seen <= _FEW and length <= _SHORT


def _check_references(schema: JsonValue) -> None:
    """Refuses those that lead out of the schema."""
    waiting: list[JsonValue] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            for key in ("$ref", "$dynamicRef", "$recursiveRef"):
                if isinstance(reference := node.get(key), str) and not reference.startswith("#"):
                    raise UnusableSchema(f"its schema refers to {_short(reference)}, and nothing is fetched")
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _told(errors: Iterator[ValidationError]) -> str:
    told = []
    for error in errors:
        told.append(f"at {_pointer(error)}: {_words(error)}")
        if len(told) == _MAX_COMPLAINTS:
            break
    return "; ".join(told)


def _words(error: ValidationError) -> str:
    if error.context:
        # of a choice, tell what each branch wanted: the bare message only says that none fits
        wanted = " or ".join(dict.fromkeys(_words(branch) for branch in error.context[:4]))
        return f"fits none of the choices ({wanted})"[: 3 * _SHOWN]
    # jsonschema begins with the value, which may be long, and ends with the rule
    return error.message if len(error.message) <= 2 * _SHOWN else f"…{error.message[-_SHOWN:]}"


def _pointer(error: ValidationError) -> str:
    return build_pointer(error.absolute_path) or "the top level"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
