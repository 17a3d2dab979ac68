"""The kinds of short text that policies are written in: globs, rates, JSON pointers. Each says itself what it wants."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

_RATE: Final = r"^[1-9][0-9]*/(second|minute|hour|day)$"
_POINTER: Final = r"^(/[^/]*)+$"
_SET: Final = re.compile(r"\[!?\]?[^\]]*+(\]?)")


def _check_glob(text: str) -> str:
    # What is never closed is read as a plain sign: the rule would speak of nothing, and a denial deny nothing.
    if "" in _SET.findall(text):
        raise ValueError(f"the [ in {text!r} is never closed; a set is [ab], the sign itself [[]")
    return text


def _check_rate(text: str) -> str:
    if not re.match(_RATE, text):
        raise ValueError(f"expected calls per second, minute, hour or day, such as 30/minute, got {text!r}")
    return text


def _check_pointer(text: str) -> str:
    if not re.match(_POINTER, text):
        raise ValueError(f"expected a JSON pointer, such as /url or /to/0, got {text!r}")
    return text


Glob = Annotated[str, AfterValidator(_check_glob)]
RateText = Annotated[str, AfterValidator(_check_rate), Field(json_schema_extra={"pattern": _RATE})]
"""Calls per time, such as `30/minute`."""
Pointer = Annotated[str, AfterValidator(_check_pointer), Field(json_schema_extra={"pattern": _POINTER})]
"""Where an argument is, such as `/url`."""
