"""Text that comes in pieces, redacted as if it came whole: what may yet become a secret is held back, within bounds."""

from collections.abc import Collection
from typing import Final

from config.agents import Redaction
from config.findings import Finding, replaced
from config.redaction import Redactor

_MOST_HELD: Final = 2_048
_ENOUGH: Final = 256
"""Of a secret that does not end, this much is kept to know it by: all of it is replaced in the end."""


class HeldText:
    """One channel of one speaker."""

    def __init__(self, redactor: Redactor, kinds: Collection[Redaction] = (), *, fields: bool = False) -> None:
        self._redactor, self._kinds, self._fields = redactor, frozenset(kinds), fields
        self._most = max(_MOST_HELD, 2 * redactor.longest)
        self._before = ""
        """The last character that was let go: whether a word begins here depends on it."""
        self._held = ""

    def feed(self, piece: str) -> str:
        """Returns what can be shown now."""
        text, start = self._before + self._held + piece, len(self._before)
        found = self._redactor.find(text, self._kinds, fields=self._fields, start=start)
        undecided = self._redactor.undecided_from(text, self._kinds, fields=self._fields, start=start)
        end = _before_what_reaches_over(undecided, found)
        if len(text) - end > self._most:
            return self._let_go_of_much(text, end, found)
        return self._let_go(text, end, found)

    def end(self) -> str:
        """Returns the rest."""
        text, start = self._before + self._held, len(self._before)
        return self._let_go(text, len(text), self._redactor.find(text, self._kinds, fields=self._fields, start=start))

    def _let_go(self, text: str, end: int, found: list[Finding]) -> str:
        start = len(self._before)
        self._before, self._held = text[end - 1 : end] if end else "", text[end:]
        return replaced(text[:end], [each for each in found if each.end <= end], start)

    def _let_go_of_much(self, text: str, end: int, found: list[Finding]) -> str:
        unending = any(each.since == end and each.end >= len(text) - 1 for each in found)
        shown = self._let_go(text, end if unending else len(text), found)
        self._held = self._held[:_ENOUGH]
        return shown


def _before_what_reaches_over(place: int, found: list[Finding]) -> int:
    for finding in reversed(found):
        if finding.since < place < finding.end:
            place = finding.since
    return place
