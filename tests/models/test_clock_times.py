"""Times of day as a small model is told them."""

import pytest

from nodes.models.clock_times import spell_times


@pytest.mark.parametrize(
    ("told", "spelled"),
    [
        ('"datetime": "2026-11-23T03:22:29+09:00"', '"datetime": "2026-11-23 03:22 (3:22 AM)"'),
        ("2026-11-23T00:05:00Z", "2026-11-23 00:05 (12:05 AM)"),
        ("at 2026-11-23T12:00 sharp", "at 2026-11-23 12:00 (12:00 PM) sharp"),
        ("2026-03-02T23:59:59.123456+0530, then", "2026-03-02 23:59 (11:59 PM), then"),
        ("version 1.2 of 2026-03-02", "version 1.2 of 2026-03-02"),
        ("2026-03-02T29:00", "2026-03-02T29:00"),
    ],
)
def test_each_moment_is_spelled_on_both_kinds_of_clock(told: str, spelled: str) -> None:
    assert spell_times(told) == spelled
