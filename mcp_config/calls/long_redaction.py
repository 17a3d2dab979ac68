"""Redaction of what may be megabytes: piece by piece, so that nobody else waits for one long result.

What comes out is what `Redactor` makes of the whole.
"""

import asyncio
import contextlib
import json
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import accumulate
from typing import Final

from pydantic import JsonValue

from config.agents import Redaction
from config.findings import Finding, replaced
from config.passage import Passage
from config.redaction import Redactor
from config.secret_names import names_secret_field
from config.secret_patterns import HIDDEN

_PIECE: Final = 16 * 1024
"""Characters: so many keep the slowest pattern busy for a few milliseconds."""
_TURN_SECONDS: Final = 0.004
_JSON: Final = 64 * 1024
"""What is longer is looked through as text, and not once more as data."""


class LongRedaction:
    """Of one result: what is in it twice, as text and as a block, is gone through once."""

    def __init__(self, redactor: Redactor, kinds: Collection[Redaction]) -> None:
        self._redactor, self._kinds = redactor, frozenset(kinds)
        self._texts: dict[str, str] = {}
        self._turn_began = time.perf_counter()

    async def text(self, text: str) -> str:
        """Returns the text redacted. What is JSON stays JSON: a key cut short ends where its text ends."""
        if text not in self._texts:
            shown = await self._text(text, fields=True)
            data = _find_broken(text, shown)
            self._texts[text] = shown if data is None else json.dumps(await self.value(data), ensure_ascii=False)
        return self._texts[text]

    async def value(self, value: JsonValue) -> JsonValue:
        """Returns structured data redacted: its texts are looked through in one go, and few of them ever change."""
        texts = list(dict.fromkeys(await self._find_texts(value)))
        doubtful = [(text, await self._text(text)) for text in await self._find_doubtful(texts)]
        # only what changed: a number that was doubtful stays a number
        return await self._rebuild(value, {text: shown for text, shown in doubtful if shown != text})

    async def content(self, content: bytes) -> bytes:
        """Returns a file without the known secrets."""
        text, changed = content.decode("latin-1"), list[Finding]()
        async for found in self._walk(text, self._redactor.passage_of_bytes(text)):
            changed += found
        return replaced(text, changed).encode("latin-1") if changed else content

    async def _text(self, text: str, *, fields: bool = False) -> str:
        if len(text) <= _PIECE:
            return self._redactor.text(text, self._kinds, fields=fields)
        passage, parts, done = self._redactor.passage(text, self._kinds, fields=fields), list[str](), 0
        async for found in self._walk(text, passage):
            if found:
                parts.append(replaced(text, found, done, found[-1].end))
                done = found[-1].end
        return "".join([*parts, text[done:]]) if parts else text

    async def _walk(self, text: str, passage: Passage) -> AsyncIterator[list[Finding]]:
        for start in range(0, len(text), _PIECE):
            yield passage.go_on(start + _PIECE)
            await self._give_way()

    async def _find_texts(self, value: JsonValue) -> list[str]:
        texts, waiting = list[str](), [value]
        while waiting:
            match waiting.pop():
                case str() as text:
                    texts.append(text)
                case list() as many:
                    waiting += many
                case dict() as fields:
                    texts += fields
                    waiting += fields.values()
                case int() | float() as number if self._kinds and not isinstance(number, bool):
                    texts.append(str(number))  # a card's number may be one
                case _:
                    pass
            await self._give_way()
        return texts

    async def _find_doubtful(self, texts: Sequence[str]) -> list[str]:
        """Returns those in which something may be. No pattern needs what stands in another line."""
        joined, doubtful = "\n".join(texts), set[int]()
        starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
        if len(joined) <= _PIECE and not self._redactor.find(joined, self._kinds):
            return []
        async for found in self._walk(joined, self._redactor.passage(joined, self._kinds)):
            for each in found:
                doubtful.update(range(bisect_right(starts, each.since) - 1, bisect_right(starts, each.end - 1)))
        return [texts[place] for place in sorted(doubtful)]

    async def _rebuild(self, value: JsonValue, changed: dict[str, str]) -> JsonValue:
        await self._give_way()
        match value:
            case str():
                return changed.get(value, value)
            case list():
                return [await self._rebuild(each, changed) for each in value]
            case dict():
                return {
                    changed.get(key, key): await self._rebuild_field(key, each, changed) for key, each in value.items()
                }
            case int() | float() if changed and not isinstance(value, bool):
                return changed.get(str(value), value)
            case _:
                return value

    async def _rebuild_field(self, key: str, value: JsonValue, changed: dict[str, str]) -> JsonValue:
        if isinstance(value, str):
            await self._give_way()
            return HIDDEN if value and names_secret_field(key) else changed.get(value, value)
        return await self._rebuild(value, changed)

    async def _give_way(self) -> None:
        if time.perf_counter() - self._turn_began > _TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_began = time.perf_counter()


def _find_broken(text: str, shown: str) -> JsonValue:
    """Returns the data of a text that was JSON and is none any more: a number that is hidden becomes a text."""
    if shown == text or len(text) > _JSON or not text.lstrip().startswith(("{", "[")):
        return None
    with contextlib.suppress(ValueError, RecursionError):
        data: JsonValue = json.loads(text)
        try:
            json.loads(shown)
        except ValueError:
            return data
    return None
