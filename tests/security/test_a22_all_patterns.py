"""A22. Every pattern of ours, on long texts made to keep it busy: the work grows with the text, not with its square."""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

import config
import graph
import mcp_config
import nodes
import server

SIZE = 100_000
SHORT = 1_000
AFFORDABLE = 0.05
"""Seconds of this process's own time. What is linear takes a part of it; what is not, minutes."""
CUT = {"config.secret_names._IS_SECRET_FIELD": 100}
"""Patterns that are shown no more characters than these: where they are used, names are cut first."""
HEADS = ("", "Bearer ", "x://")
LINKS = ("a", "0", " ", "-", "a.", "a:", "a/", "\n", '"', "\\", "=", "<", "x@", "${", "a b", "  \n", "_", "é")


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for package in (config, mcp_config, nodes, graph, server):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" in module.name or module.name.endswith("__main__"):
                continue  # run by Alembic, run as programs
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    yield f"{module.name}.{name}", value


def work(pattern: re.Pattern[str], text: str) -> float:
    started = time.process_time()
    pattern.search(text)
    pattern.fullmatch(text)
    return time.process_time() - started


def is_slow(pattern: re.Pattern[str], text: str, most: float) -> bool:
    """Tells whether it is each of three times: once may be another's doing."""
    return all(work(pattern, text) > most for _ in range(3))


@pytest.mark.slow
def test_no_pattern_is_kept_busy() -> None:
    found = dict(patterns())
    assert len(found) > 20
    slow = []
    for name, pattern in found.items():
        for whole in (head + link * (SIZE // len(link)) + "!" for head in HEADS for link in LINKS):
            # a short text first: what explodes shows there, and would else never come to an end
            text = whole[: CUT.get(name)]
            if is_slow(pattern, text[:SHORT] + "!", AFFORDABLE / 10) or is_slow(pattern, text, AFFORDABLE):
                slow.append((name, text[:20]))
                break
    assert slow == []
