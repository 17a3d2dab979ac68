"""Goes through a text in pieces, and finds in them what it would have found in the whole.

Pure: how large the pieces are, and who gets a turn between them, is others' business.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from config.findings import Finding, merge
from config.secret_patterns import REACH, Hidden, Pattern, whole

_LINE_END: Final = r"(?:\r?\n)?"
_WITH_LINE_END: Final = 3
"""Characters, if each has a line end after it."""


@dataclass(frozen=True)
class Sought:
    """One kind of thing to look for, made ready."""

    head: re.Pattern[str]
    all: re.Pattern[str] | None
    """With what follows the head; None where the head is all of it."""
    marks: Sequence[str]
    any_case: bool
    hidden: Hidden
    instead: str
    reach: int
    """What the head, and what it looks at around it, is no longer than."""

    def matches(self, text: str, start: int, seam: int) -> Iterator[re.Match[str]]:
        """Yields those that begin from `start` on and before `seam`, to wherever they end."""
        end = min(seam + self.reach, len(text))
        if not self._is_likely(text, start, end):
            return
        if self.all is None:
            for match in self.head.finditer(text, start, end):
                if match.start() >= seam:
                    return
                yield match
            return
        while (head := self.head.search(text, start, end)) and head.start() < seam:
            found = self.all.match(text, head.start())
            start = found.end() if found else head.start() + 1
            if found:
                yield found

    def heads(self, text: str, start: int) -> Iterator[int]:
        if self._is_likely(text, start, len(text)):
            yield from (match.start() for match in self.head.finditer(text, start))

    def _is_likely(self, text: str, start: int, end: int) -> bool:
        """A look for fixed letters takes a hundredth of the time that a pattern does."""
        if not self.marks:
            return True
        if self.any_case:
            text, start = text[start:end].lower(), 0
            end = len(text)
        return any(text.find(mark, start, end) >= 0 for mark in self.marks)


def build_sought(pattern: Pattern) -> Sought:
    rest = re.compile(pattern.source) if pattern.rest else None
    head = re.compile(pattern.head)
    return Sought(head, rest, pattern.marks, pattern.any_case, pattern.hidden, pattern.instead, REACH)


def build_known(forms: Sequence[str], marks: Sequence[str], instead: str, wrapped: Collection[str] = ()) -> Sought:
    """Returns how to look for known texts: where two begin at the same place, for that which comes first.

    Those that are `wrapped` may have line ends in them.
    """
    sources = (_LINE_END.join(map(re.escape, form)) if form in wrapped else re.escape(form) for form in forms)
    together = re.compile("|".join(sources) or r"(?!)")
    reach = max((len(form) * (_WITH_LINE_END if form in wrapped else 1) for form in forms), default=0)
    return Sought(together, None, marks, False, whole, instead, reach)


class Passage:
    """One way through one text, from `start` on: what stands before is seen, and left alone."""

    def __init__(self, text: str, sought: Iterable[Sought], start: int = 0) -> None:
        self._text = text
        self._ways = [_Way(each, start) for each in sought]
        self._open: list[Finding] = []
        """They reach beyond what was gone through: what comes may overlap with them."""

    def go_on(self, seam: int) -> list[Finding]:
        """Returns, in order, what is found up to `seam`; nothing that is found later overlaps with it."""
        found = merge([*self._open, *(finding for way in self._ways for finding in way.go_on(self._text, seam))])
        self._open = [finding for finding in found if finding.end > seam] if seam < len(self._text) else []
        return found[: len(found) - len(self._open)]


class _Way:
    """What is found of one kind: each begins where the one before has ended."""

    def __init__(self, sought: Sought, place: int) -> None:
        self._sought, self._place = sought, place

    def go_on(self, text: str, seam: int) -> Iterator[Finding]:
        sought = self._sought
        if self._place >= seam:
            return
        for match in sought.matches(text, self._place, seam):
            self._place = match.end()
            if (hidden := sought.hidden(match.group())) is not None:
                place = match.start()
                yield Finding(place + hidden.start, place + hidden.stop, sought.instead, place)
        self._place = max(self._place, seam)
