"""What was found in a text that must not be seen, and the text without it."""

from collections.abc import Iterable
from dataclasses import dataclass

from config.secret_patterns import HIDDEN


@dataclass(frozen=True)
class Finding:
    """A part of a text, and what is shown instead."""

    start: int
    end: int
    instead: str
    since: int
    """Where what gave it away begins, such as the name of a field: that much is shown."""


def replaced(text: str, findings: Iterable[Finding], start: int = 0, end: int | None = None) -> str:
    """Returns the text from `start` to `end` with the findings, which are in order, put into it."""
    parts: list[str] = []
    for finding in findings:
        parts += [text[start : finding.start], finding.instead]
        start = finding.end
    return "".join([*parts, text[start:end]])


def merge(found: Iterable[Finding]) -> list[Finding]:
    """Puts findings in order. Those that overlap become one, which tells nothing unless all of them are personal."""
    merged: list[Finding] = []
    for finding in sorted(found, key=lambda each: (each.start, -each.end)):
        if not merged or finding.start >= merged[-1].end:
            merged.append(finding)
        else:
            before = merged[-1]
            instead = HIDDEN if finding.instead == HIDDEN else before.instead
            end, since = max(before.end, finding.end), min(before.since, finding.since)
            merged[-1] = Finding(before.start, end, instead, since)
    return merged
