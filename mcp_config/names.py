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


def is_visible(character: str) -> bool:
    return character in "\n\t" or unicodedata.category(character) not in _INVISIBLE


def clean_text(text: str, limit: int | None = None) -> str:
    """Returns the text without what a person cannot see, cut to the limit with a mark."""
    seen = "".join(filter(is_visible, text)).strip()
    return seen if limit is None or len(seen) <= limit else f"{seen[: limit - 1]}…"


def matches_any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def order_by_precision(globs: Iterable[str], name: str) -> list[str]:
    """Returns the globs that match the name, the most specific last."""
    matching = [glob for glob in globs if fnmatchcase(name, glob)]
    return sorted(matching, key=lambda glob: len(glob.replace("*", "").replace("?", "")))


def globs_meet(one: str, other: str) -> bool:
    """Tells whether some name matches both globs. A set such as `[a-z]` is taken for any sign: rather too often yes."""
    one, other = (
        re.sub(r"\[[^\]]++\]?", lambda each: "?" if each[0].endswith("]") else each[0], glob) for glob in (one, other)
    )
    meets = {(len(one), len(other))}
    for i in range(len(one), -1, -1):
        for j in range(len(other), -1, -1):
            a, b = one[i : i + 1], other[j : j + 1]
            skipped = (a == "*" and (i + 1, j) in meets) or (b == "*" and (i, j + 1) in meets)
            stayed = (a == "*" and b and (i, j + 1) in meets) or (b == "*" and a and (i + 1, j) in meets)
            paired = a and b and (a == b or "?" in (a, b)) and (i + 1, j + 1) in meets
            if skipped or stayed or paired:
                meets.add((i, j))
    return (0, 0) in meets


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
