"""How big a message of a server may be, over whatever wire it comes. Judged before it is parsed."""

from typing import Final

from config.json_size import MAX_VALUES, holds_too_many

MAX_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes."""
TOO_LONG: Final = "the server sent a message of more than 8 MiB; ask for less"
_TOO_MANY: Final = f"the server sent a message that holds more than {MAX_VALUES} values; ask for less"


def find_excess(message: bytes | bytearray) -> str | None:
    """Returns what is too big about a message, or about what has come of it so far."""
    if len(message) > MAX_MESSAGE:
        return TOO_LONG
    return _TOO_MANY if holds_too_many(message) else None
