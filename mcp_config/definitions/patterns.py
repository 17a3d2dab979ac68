"""The patterns of a tool's schema, made ready; those that would take long to make, or to apply, are refused.

A match has a time limit, but neither making a pattern ready nor its first look at a text knows of it.
"""

import re
from typing import Final

import regex  # type: ignore[import-untyped]  # not `re`: a match here has a time limit, and other threads run meanwhile
from pydantic import JsonValue

from mcp_config.tools import JsonObject

_LONGEST: Final = 1024
"""Characters. What is prepared for a text of fixed letters grows with the cube of its length."""
_HEAVIEST: Final = 10_000
"""Parts, where each counts as often as the groups around it are repeated: they are unrolled."""
_DEEPEST: Final = 50
_PART: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]?|\{(?P<least>\d*),?(?P<most>\d*)\}|.", re.DOTALL)


class UnusablePattern(ValueError):
    """The text says why."""


def compile_patterns(schema: JsonValue) -> dict[str, regex.Pattern[str]]:
    """Returns all that are anywhere in the schema. Raises: UnusablePattern."""
    found: dict[str, regex.Pattern[str]] = {}
    waiting: list[JsonValue] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            found |= {pattern: _compile(pattern) for pattern in _find(node) if pattern not in found}
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return found


def _find(node: JsonObject) -> list[str]:
    named = node.get("patternProperties")
    patterns = [*named] if isinstance(named, dict) else []
    if patterns and "unevaluatedProperties" in node:
        # jsonschema matches these with `re`, without a time limit
        raise UnusablePattern("its schema has `patternProperties` beside `unevaluatedProperties`")
    return [*patterns, pattern] if isinstance(pattern := node.get("pattern"), str) else patterns


def _compile(pattern: str) -> regex.Pattern[str]:
    shown = repr(pattern[:200])
    if len(pattern) > _LONGEST or _is_heavy(pattern):
        raise UnusablePattern(f"its pattern {shown} is too long, or repeats too much")
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise UnusablePattern(f"its pattern {shown} cannot be used: {error}") from None


def _is_heavy(pattern: str) -> bool:
    levels, last, grouped = [0], 0, False
    for part in _PART.finditer(pattern):
        text = part.group()
        if text == "(":
            levels.append(0)
        elif text == ")" and len(levels) > 1:
            last = levels.pop()
            levels[-1] += last
        elif part["least"] is not None and grouped:
            times = max(int(count[:6] or 1) for count in part.group("least", "most"))
            levels[-1] += last * (times - 1)
            last *= max(times, 1)
        else:
            levels[-1] += 1
        grouped = text == ")" or (grouped and text in "*+?")
        if len(levels) > _DEEPEST or levels[-1] > _HEAVIEST:
            return True
    return False
