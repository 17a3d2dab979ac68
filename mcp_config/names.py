"""Names and texts that models are shown: safe, bounded, and never two alike for one server's tool."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

MAX_NAME: Final = 64
MAX_DESCRIPTION: Final = 1024
_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_-]")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
"""Control, format (zero-width, bidirectional, tags), private, surrogate, unassigned."""


def build_tool_name(prefix: str, server: str, tool: str) -> str:
    """Returns `prefix__tool`, or the nearest safe name with a hash of both when that had to be changed or cut."""
    wanted = f"{prefix}__{tool}" if prefix else tool
    safe = _UNSAFE.sub("_", wanted)
    if safe == wanted and 0 < len(safe) <= MAX_NAME:
        return safe
    digest = hashlib.sha256(f"{server}\0{tool}".encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{safe[: MAX_NAME - 9]}_{digest}"


def clean_text(text: str, limit: int) -> str:
    """Returns the text without what a person cannot see, cut to the limit with a mark."""
    seen = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _INVISIBLE).strip()
    return seen if len(seen) <= limit else f"{seen[: limit - 1]}…"


def matches_any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def may_match_prefix(glob: str, prefix: str) -> bool:
    """Tells whether the glob can match a name that begins with the prefix, whatever follows."""
    for position, character in enumerate(prefix):
        if position == len(glob):
            return False
        if glob[position] == "*":
            return True
        if glob[position] not in ("?", character):
            return False
    return True
