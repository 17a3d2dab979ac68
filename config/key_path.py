"""Paths to values inside a file, and how they are written in messages: `agents[2].allowed_tools`."""

import re
from typing import Final

KeyPath = tuple[str | int, ...]

_PLAIN: Final = re.compile(r"[\w-]+")


def shown_key(path: KeyPath) -> str:
    """Returns a path as people write it; a key that is not a plain word stands in brackets and quotes."""
    return "".join(_shown(part) for part in path).removeprefix(".")


def _shown(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN.fullmatch(part) else f'["{part}"]'
