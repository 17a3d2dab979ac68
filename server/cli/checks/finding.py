"""One thing that was looked at, and how it is."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "fault"]
"""`note`: works, but somebody may want to know; `fault`: does not work until it is mended."""


@dataclass(frozen=True)
class Finding:
    part: str
    verdict: Verdict
    detail: str
    """A fault's says what to do."""

    @property
    def line(self) -> str:
        """The detail on one line: some of it is the words of other programs."""
        return " ".join(self.detail.split())


def ok(part: str, detail: str) -> Finding:
    return Finding(part, "ok", detail)


def note(part: str, detail: str) -> Finding:
    return Finding(part, "note", detail)


def fault(part: str, detail: str) -> Finding:
    return Finding(part, "fault", detail)
