"""A22: no text, however made, keeps the redactor busy; its work grows with the text and not faster."""

import time
from collections.abc import Callable

import pytest

from config.agents import Redaction
from config.held_text import HeldText
from config.redaction import Redactor

KINDS: tuple[Redaction, ...] = ("email", "phone", "card", "iban", "ip")
SIZE = 100_000
LONGEST_MS = 500
"""For all patterns together, on a busy machine; alone each takes a few. One that backtracks takes minutes."""
HOSTILE = [
    *("a", "sk-", "sk-1", "eyJ", "eyJaaaaa.", "://a:", "://", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "-"),
    *("bearer ", "Basic a", "ghp_", "github_pat_", "AKIA", "xoxb-", "AIza", "s3cret-of-the-hous"),
    *("a@", "a@a.", "a.", "a@a", "1 ", "1-", "+1", "AB12 ", "AB12", "A", "1:", ":", "1.1.1.", "(0", "0 "),
    *('"password":', '"', '"a', "'", '\\"token\\":\\"', '"token":"\\'),
]


def milliseconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


@pytest.mark.parametrize("unit", HOSTILE)
def test_redaction_takes_time_in_proportion(unit: str) -> None:
    text = (unit * SIZE)[:SIZE] + "!"
    redactor = Redactor(["s3cret-of-the-house"])
    assert milliseconds(lambda: redactor.text(text, KINDS, fields=True)) < LONGEST_MS


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_stream_is_no_more_than_its_pieces(unit: str) -> None:
    held = HeldText(Redactor(["s3cret-of-the-house"]), KINDS, fields=True)
    text = (unit * SIZE)[: SIZE // 10] + "!"
    pieces = [text[start : start + 50] for start in range(0, len(text), 50)]
    assert milliseconds(lambda: [*map(held.feed, pieces), held.end()]) < LONGEST_MS * 2
