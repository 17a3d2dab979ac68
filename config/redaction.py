"""The one redactor: what must not be seen is replaced before text is logged, stored, streamed or shown to a model.

It knows secrets by value, in every usual encoding, and by what they look like; personal data where a policy asks.
Pure: where it stands, and in front of what, is others' business.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Final

import regex  # type: ignore[import-untyped]  # not `re`: it tells of what may only become a match
from pydantic import JsonValue

from config.agents import Redaction
from config.findings import Finding, replaced
from config.passage import Passage, Sought, build_known, build_sought
from config.personal_data import PERSONAL
from config.secret_forms import build_forms, build_marks, build_wrapped
from config.secret_names import SHORTEST_SECRET, names_secret_field
from config.secret_patterns import FIELDS, HIDDEN, REACH, SECRETS, Pattern

_SHORT: Final = 1_000
"""Characters: in most such texts there is nothing, and a single look says so."""
_LINE_ENDS: Final = re.compile(r"[\r\n]")
_WORD: Final = re.compile(r"[A-Za-z]{1,11}|\d{1,7}")
"""A password such as `postgres`: to hide it would black out what everybody says. Logs hide it all the same."""


@cache
def _find_patterns(kinds: frozenset[Redaction], *, fields: bool) -> tuple[Pattern, ...]:
    personal = (PERSONAL[kind] for kind in PERSONAL if kind in kinds)
    return (*(FIELDS.values() if fields else ()), *SECRETS.values(), *personal)


@cache
def _build_sought(kinds: frozenset[Redaction], *, fields: bool) -> tuple[Sought, ...]:
    return tuple(map(build_sought, _find_patterns(kinds, fields=fields)))


@cache
def _build_likely(kinds: frozenset[Redaction], *, fields: bool) -> re.Pattern[str]:
    """Matches wherever one of the patterns may."""
    marks = (mark for pattern in _find_patterns(kinds, fields=fields) for mark in map(re.escape, pattern.marks))
    return re.compile("|".join([r"\d", *marks] if kinds else marks), re.IGNORECASE)


@cache
def _build_together(kinds: frozenset[Redaction], *, fields: bool) -> regex.Pattern[str]:
    """For telling what is open at the end of a piece."""
    return regex.compile("|".join(pattern.source for pattern in _find_patterns(kinds, fields=fields)))


class Redactor:
    def __init__(self, secrets: Iterable[str] = (), *, words_too: bool = False) -> None:
        """`words_too` hides also secrets that are one short word or number: right for logs, too much for answers."""
        self._words_too = words_too
        self._sources: dict[str, Sequence[str]] = {}
        self.know("", secrets)

    def know(self, source: str, secrets: Iterable[str]) -> None:
        """Takes these secrets for all that is known of the source, in the place of those it had before."""
        self._sources[source] = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        distinct = {secret for known in self._sources.values() for secret in known}
        known = [each for each in distinct if self._words_too or not _WORD.fullmatch(each)]
        # the longest first: a secret may contain another
        forms = sorted({form for each in known for form in build_forms(each)}, key=lambda form: (-len(form), form))
        marks = sorted({mark for each in known for mark in build_marks(each)})
        wrapped = {form for each in known for form in build_wrapped(each)}
        self._known = build_known(forms, marks, HIDDEN, wrapped)
        self._known_in_bytes = build_known(_as_bytes(forms), _as_bytes(marks), HIDDEN, wrapped)
        self._beginnings = frozenset(form[:length] for form in forms for length in range(1, len(form)))
        self.longest = self._known.reach

    def text(self, text: str, kinds: Collection[Redaction] = (), *, fields: bool = False) -> str:
        """Returns the text without what must not be seen; `fields` says that it may be structured data."""
        return replaced(text, self.find(text, kinds, fields=fields))

    def known(self, text: str) -> str:
        """Returns the text without the known secrets; nothing is guessed."""
        return replaced(text, Passage(text, [self._known]).go_on(len(text)))

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
        found = self.passage_of_bytes(text := content.decode("latin-1")).go_on(len(text))
        return replaced(text, found).encode("latin-1") if found else content

    def find(
        self, text: str, kinds: Collection[Redaction] = (), *, fields: bool = False, start: int = 0
    ) -> list[Finding]:
        """Looks through the text from `start` on; what stands before it is seen, and left alone."""
        if len(text) <= _SHORT and not self._may_hold(text, frozenset(kinds), fields=fields):
            return []
        return self.passage(text, kinds, fields=fields, start=start).go_on(len(text))

    def passage(self, text: str, kinds: Collection[Redaction] = (), *, fields: bool = False, start: int = 0) -> Passage:
        """Returns a way through the text, for who has no time to look through all of it at once."""
        return Passage(text, (self._known, *_build_sought(frozenset(kinds), fields=fields)), start)

    def passage_of_bytes(self, content: str) -> Passage:
        """Returns a way through a file, each of whose bytes is given as one character."""
        return Passage(content, [self._known_in_bytes])

    def undecided_from(
        self, text: str, kinds: Collection[Redaction] = (), *, fields: bool = False, start: int = 0
    ) -> int:
        """Returns where what may yet become a finding begins, if more text follows; the text's end if nothing may."""
        place, kinds = self._beginning_at(text, start), frozenset(kinds)
        together = _build_together(kinds, fields=fields)
        tail = max(start, len(text) - REACH)
        # only what has begun with a whole head can have begun before the tail
        unending = (each for each in _build_sought(kinds, fields=fields) if each.all and tail > start)
        for head in sorted(head for each in unending for head in each.heads(text, start)):
            if head < place and together.fullmatch(text, head, partial=True):
                return head
        for match in together.finditer(text, tail, partial=True):
            if match.start() < place and together.fullmatch(text, match.start(), partial=True):
                return int(match.start())
        return place

    def _may_hold(self, text: str, kinds: frozenset[Redaction], *, fields: bool) -> bool:
        return bool(self._known.head.search(text) or _build_likely(kinds, fields=fields).search(text))

    def _field(self, key: str, value: JsonValue, kinds: Collection[Redaction]) -> JsonValue:
        return HIDDEN if isinstance(value, str) and value and names_secret_field(key) else self.value(value, kinds)

    def _beginning_at(self, text: str, start: int) -> int:
        for place in range(max(start, len(text) - self.longest), len(text)):
            if _LINE_ENDS.sub("", text[place:]) in self._beginnings:
                return place
        return len(text)


def _as_bytes(texts: Iterable[str]) -> list[str]:
    return [text.encode(errors="replace").decode("latin-1") for text in texts]
