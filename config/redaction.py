"""The one redactor: what must not be seen is replaced before text is logged, stored, streamed or shown to a model.

It knows secrets by value, in every usual encoding, and by what they look like; personal data where a policy asks.
Pure: where it stands, and in front of what, is others' business.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import regex  # type: ignore[import-untyped]  # not `re`: it tells of what may only become a match
from pydantic import JsonValue

from config.agents import Redaction
from config.personal_data import PERSONAL
from config.secret_forms import build_forms
from config.secret_names import SHORTEST_SECRET, names_secret_field
from config.secret_patterns import FIELDS, HIDDEN, SECRETS, Pattern

_LONG: Final = 2_000
"""From this length on it is quicker to look for each known form than to try all of them at each place."""
_WORD: Final = re.compile(r"[A-Za-z]{1,11}|\d{1,7}")
"""A password such as `postgres`: to hide it would black out what everybody says. Logs hide it all the same."""


@dataclass(frozen=True)
class Finding:
    """A part of a text, and what is shown instead."""

    start: int
    end: int
    instead: str
    since: int
    """Where that begins by which it was known, such as the name of a field: that is shown."""


@dataclass(frozen=True)
class _Patterns:
    one_by_one: Sequence[tuple[re.Pattern[str], Pattern]]
    """For finding: each is quick by itself, and most are not even tried."""
    likely: re.Pattern[str]
    """Matches whatever one of them may match in; most texts are done with by this alone."""
    together: regex.Pattern[str]
    """For telling what is open at the end of a piece."""


@cache
def _build_patterns(kinds: frozenset[Redaction], *, fields: bool) -> _Patterns:
    personal = [PERSONAL[kind] for kind in PERSONAL if kind in kinds]
    chosen = [*(FIELDS.values() if fields else ()), *SECRETS.values(), *personal]
    together = regex.compile("|".join(pattern.source for pattern in chosen))
    likely = re.compile("|".join(mark for pattern in chosen for mark in map(re.escape, pattern.marks)), re.IGNORECASE)
    one_by_one = [(re.compile(pattern.source), pattern) for pattern in chosen]
    return _Patterns(one_by_one, likely if all(pattern.marks for pattern in chosen) else re.compile(""), together)


class Redactor:
    def __init__(self, secrets: Iterable[str] = (), *, words_too: bool = False) -> None:
        """`words_too` hides also secrets that are one short word or number: right for logs, too much for answers."""
        self._words_too = words_too
        self._sources: dict[str, Sequence[str]] = {}
        self.know("", secrets)

    def know(self, source: str, secrets: Iterable[str]) -> None:
        """Takes these secrets for all that is known of the source, in the place of those it had before."""
        self._sources[source] = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        known = (secret for each in self._sources.values() for secret in each)
        self._secrets = frozenset(secret for secret in known if self._words_too or not _WORD.fullmatch(secret))
        # the longest first: a secret may contain another
        self._forms = sorted({form for each in self._secrets for form in build_forms(each)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, self._forms)) or r"(?!)")
        self._known_bytes = re.compile(b"|".join(re.escape(form.encode(errors="replace")) for form in self._forms))
        self._beginnings = frozenset(form[:length] for form in self._forms for length in range(1, len(form)))
        self.longest = max(map(len, self._forms), default=0)

    def text(self, text: str, kinds: Collection[Redaction] = (), *, fields: bool = False) -> str:
        """Returns the text without what must not be seen; `fields` says that it may be structured data."""
        return replaced(text, self.find(text, kinds, fields=fields))

    def known(self, text: str) -> str:
        """Returns the text without the known secrets; nothing is guessed."""
        return self._known.sub(HIDDEN, text) if self._may_hold_known(text) else text

    def value(self, value: JsonValue, kinds: Collection[Redaction] = ()) -> JsonValue:
        """Returns structured data without what must not be seen: by its values, and by what its fields are called."""
        match value:
            case str():
                return self.text(value, kinds)
            case list() | tuple():
                return [self.value(each, kinds) for each in value]
            case dict():
                return {self.text(key, kinds): self._field(key, each, kinds) for key, each in value.items()}
            case int() | float() if kinds and not isinstance(value, bool):
                # a card's number may be one; our own data, where nothing personal is looked for, keeps its types
                return value if (shown := self.text(str(value), kinds)) == str(value) else shown
            case _:
                return value

    def content(self, content: bytes) -> bytes:
        """Returns a file without the known secrets."""
        return self._known_bytes.sub(HIDDEN.encode(), content) if self._forms else content

    def find(
        self, text: str, kinds: Collection[Redaction] = (), *, fields: bool = False, start: int = 0
    ) -> list[Finding]:
        """Looks through the text from `start` on; what stands before it is seen, and left alone."""
        found = [Finding(*match.span(), HIDDEN, match.start()) for match in self._find_known(text, start)]
        patterns = _build_patterns(frozenset(kinds), fields=fields)
        if patterns.likely.search(text):
            for compiled, pattern in patterns.one_by_one:
                found += _find(compiled, pattern, text, start)
        return _merge(found) if found else found

    def open_at(self, text: str, kinds: Collection[Redaction] = (), *, fields: bool = False, start: int = 0) -> int:
        """Returns where what may yet become a finding begins, if more text follows; the text's end if nothing may."""
        place = self._beginning_at(text, start)
        together = _build_patterns(frozenset(kinds), fields=fields).together
        for match in together.finditer(text, start, partial=True):
            if match.start() < place and together.fullmatch(text, match.start(), partial=True):
                return int(match.start())
        return place

    def _field(self, key: str, value: JsonValue, kinds: Collection[Redaction]) -> JsonValue:
        return HIDDEN if isinstance(value, str) and value and names_secret_field(key) else self.value(value, kinds)

    def _may_hold_known(self, text: str) -> bool:
        return len(text) < _LONG or any(form in text for form in self._forms)

    def _find_known(self, text: str, start: int) -> Iterable[re.Match[str]]:
        return self._known.finditer(text, start) if self._may_hold_known(text) else ()

    def _beginning_at(self, text: str, start: int) -> int:
        for place in range(max(start, len(text) - self.longest), len(text)):
            if text[place:] in self._beginnings:
                return place
        return len(text)


def replaced(text: str, findings: Iterable[Finding], start: int = 0) -> str:
    """Returns the text from `start` on with the findings, which are in order, put into it."""
    parts: list[str] = []
    for finding in findings:
        parts += [text[start : finding.start], finding.instead]
        start = finding.end
    return "".join([*parts, text[start:]])


def _find(compiled: re.Pattern[str], pattern: Pattern, text: str, start: int) -> Iterator[Finding]:
    if pattern.marks and not any(mark in text for mark in pattern.marks):
        return
    for match in compiled.finditer(text, start):
        if (hidden := pattern.hidden(match.group())) is not None:
            yield Finding(match.start() + hidden.start, match.start() + hidden.stop, pattern.instead, match.start())


def _merge(found: list[Finding]) -> list[Finding]:
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
