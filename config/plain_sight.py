"""Data as a person is shown it before they agree to something: nothing in it is invisible, and a cut is said aloud."""

import json
import unicodedata
from typing import Final

from pydantic import JsonValue

LONGEST_SHOWN: Final = 4_000
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def show_plainly(value: JsonValue, indent: int | None = None) -> str:
    """Returns it as JSON; what nobody would see stands there as its number."""
    return make_visible(json.dumps(value, ensure_ascii=False, indent=indent))


def make_visible(text: str) -> str:
    """Returns the text; what nobody would see stands there as its number."""
    return "".join(sign if sign == "\n" or _is_seen(sign) else f"\\u{ord(sign):04x}" for sign in text)


def show_bounded(value: JsonValue) -> str:
    """Returns as much of it as a line of a dialog or terminal takes."""
    shown = show_plainly(value)
    more = len(shown) - LONGEST_SHOWN
    return shown if more <= 0 else f"{shown[:LONGEST_SHOWN]} (CUT: {more} more characters; read all before you approve)"


def _is_seen(sign: str) -> bool:
    return unicodedata.category(sign) not in _INVISIBLE
