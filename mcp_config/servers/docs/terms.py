"""Turns a question in plain words into a full-text query. Pure."""

import re

_STOP_WORDS = frozenset(
    """
    a about an and any are as at be by can could did do does documented documentation docs document for from get give
    had has have how i if in into is it its may me my of on or our please see shall should show so tell than that the
    their them then there these they this to us use was we were what when where which who why will with would you your
    der die das ein eine ist sind und oder wie wo was wird werden kann ich man im in zu den dem des für mit von
    le la les un une des du de et ou où comment est sont que qui dans pour avec sur
    el los las una y o cómo dónde qué es son en por para con del
    """.split()  # noqa: SIM905 - a list of a hundred literals reads worse
)
_PREFIX_LENGTH = 4


def build_match(question: str) -> str:
    """Returns an FTS5 expression for any of the words that tell something; empty if there are no words."""
    words = list(dict.fromkeys(re.findall(r"\w+", question.lower())))
    telling = [word for word in words if word not in _STOP_WORDS and len(word) > 1] or words
    return " OR ".join(f'"{word}"*' if len(word) >= _PREFIX_LENGTH else f'"{word}"' for word in telling)
