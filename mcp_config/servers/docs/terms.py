"""Turns a question in plain words into full-text expressions. Pure."""

import itertools
import re
from collections.abc import Sequence
from typing import Final

_STOP_WORDS: Final = frozenset(
    """
    a about an and any are as at be by can could did do does documented documentation docs document for from get give
    had has have how i if in into is it its may me my of on or our please see shall should show so tell than that the
    their them then there these they this to us use was we were what when where which who why will with would you your
    der die das ein eine ist sind und oder wie wo was wird werden kann ich man im in zu den dem des für mit von
    le la les un une des du de et ou où comment est sont que qui dans pour avec sur
    el los las una y o cómo dónde qué es son en por para con del
    """.split()  # noqa: SIM905 - a list of a hundred literals reads worse
)
_PREFIX_LENGTH: Final = 4
_STUB_LENGTH: Final = 5
_NEAR: Final = 5


def telling_terms(question: str) -> list[str]:
    """Returns the words that say what is looked for, as FTS5 terms, the longer ones also as a beginning."""
    words = list(dict.fromkeys(re.findall(r"\w+", question.lower())))
    return [_term(word) for word in words if word not in _STOP_WORDS and len(word) > 1] or [_term(w) for w in words]


def shorten_terms(question: str) -> list[str]:
    """Returns the beginnings of those words: for words that are not in the documents, such as another language's."""
    return [f'"{term[1 : _STUB_LENGTH + 1]}"*' for term in telling_terms(question) if len(term) > _STUB_LENGTH + 2]


def any_of(terms: Sequence[str]) -> str:
    return " OR ".join(terms)


def in_headings(term: str) -> str:
    return f"{{file title trail}} : {term}"


def near_each_other(terms: Sequence[str]) -> list[str]:
    """Returns an expression for each two words that follow each other in the question."""
    return [f"NEAR({first} {second}, {_NEAR})" for first, second in itertools.pairwise(terms)]


def _term(word: str) -> str:
    return f'"{word}"*' if len(word) >= _PREFIX_LENGTH else f'"{word}"'
