"""Which short texts have to do with a question: by the words they share, without any model. Pure."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

_WORD: Final = re.compile(r"\w+")
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts whose words are not set apart: their pairs of letters count as words."""
_STEM: Final = 6
"""Letters by which words are told apart: `prefers` and `preferred` are one."""
_SHORTEST: Final = 3
_COMMON_WORDS: Final = """
the and for are was you your what which who how when where why does did can could would should has have had with
this that these those from about into its not but all any they them their there here will shall may one two user please
tell give
der die das und ist ein eine einen mit von für was wie wer wann des est une que qui pour avec dans los las una por con
para
"""
_TOO_COMMON: Final = frozenset(_COMMON_WORDS.split())


def build_words(text: str) -> frozenset[str]:
    """Returns what a text is found by."""
    words: set[str] = set()
    for word in _WORD.findall(text.casefold()):
        if _UNSPACED.search(word):
            words.update(word[at : at + 2] for at in range(max(1, len(word) - 1)))
        elif (len(word) >= _SHORTEST or word.isdecimal()) and word not in _TOO_COMMON:
            words.add(word[:_STEM])
    return frozenset(words)


def rank(wanted: frozenset[str], texts: Sequence[frozenset[str]]) -> list[int]:
    """Returns the places of the texts that share words with what is wanted; rare words weigh more, then later ones."""
    spread = Counter(word for text in texts for word in text)

    def weight(place: int) -> float:
        return sum(math.log(1 + len(texts) / spread[word]) for word in wanted & texts[place])

    found = [(weight(place), place) for place in range(len(texts)) if wanted & texts[place]]
    return [place for _, place in sorted(found, reverse=True)]
