"""A22. Every pattern of ours, on long texts made to keep it busy: the work grows with the text, not with its square."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated

import pytest
from pydantic import StringConstraints, TypeAdapter, ValidationError

from tests.security.our_patterns import compiled, validated

SIZE = 100_000
SHORT = 1_000
AFFORDABLE = 0.05
"""Seconds of this process's own time. What is linear takes a part of it; what is not, minutes."""
CUT = {"config.secret_names": 100}
"""Modules whose patterns are shown no more characters than these: where they are used, names are cut first."""
HEADS = ("", "Bearer ", "x://")
LINKS = (
    *'aA0 -=<_é`#\n"\\',
    *("a.", "a:", "a/", "x@", "${", "a b", "  \n", "[x", "[a](", "sk-", "sk-1", "eyJ", "eyJaaaaa.", "://a:", "ghp_"),
    *("Bearer a", '"password":"', "1 ", "1-", "AB12 ", "1:", "1.1.", "(0"),
)


def texts() -> Iterator[str]:
    for head in HEADS:
        for link in LINKS[: 8 if head else None]:
            yield head + link * (SIZE // len(link)) + "!"


def is_slow(work: Callable[[str], object], text: str, most: float) -> bool:
    """Tells whether it is each of three times: once may be another's doing."""
    for _ in range(3):
        started = time.process_time()
        work(text)
        if time.process_time() - started <= most:
            return False
    return True


def find_slow(work: Callable[[str], object], cut: int | None = None) -> list[str]:
    """Returns what the first text that keeps it busy begins with."""
    for whole in texts():
        # a short text first: what explodes shows there, and would else never come to an end
        text = whole[:cut]
        if is_slow(work, text[:SHORT] + "!", AFFORDABLE / 10) or is_slow(work, text, AFFORDABLE):
            return [text[:20]]
    return []


def apply(pattern: re.Pattern[str]) -> Callable[[str], object]:
    return lambda text: (pattern.search(text), pattern.fullmatch(text))


def validate(pattern: str) -> Callable[[str], object]:
    adapter = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])

    def work(text: str) -> None:
        with suppress(ValidationError):
            adapter.validate_python(text)

    return work


@pytest.mark.slow
def test_no_pattern_is_kept_busy() -> None:
    found = compiled()
    assert {"SECRETS[jwt].source", "PERSONAL[email].head"} <= {name.split(".", 2)[-1] for name in found}
    assert len(found) > 60
    slow = {
        name: find_slow(apply(pattern), CUT.get(name.partition("._")[0].partition(":")[0]))
        for name, pattern in found.items()
    }
    assert {name: text for name, text in slow.items() if text} == {}


@pytest.mark.slow
def test_no_pattern_of_a_validator_is_kept_busy() -> None:
    found = validated()
    assert len(found) > 20
    slow = {pattern: find_slow(validate(pattern)) for pattern in found}
    assert {pattern: text for pattern, text in slow.items() if text} == {}
