"""How much a JSON text holds, told before anything is made of it: to read millions of values takes everybody's time.

What is told of a text that is no JSON is of no use, and comes as fast.
"""

import re
from typing import Final

MAX_VALUES: Final = 100_000
"""In one text from outside: far beyond any honest one, and read in less time than anybody notices."""
MAX_DEPTH: Final = 64
"""Far beyond any honest text, far below any recursion limit."""
_STRING: Final = re.compile(rb'"[^"]*+"?')


def holds_too_many(text: bytes | bytearray) -> bool:
    """Returns whether there are more than `MAX_VALUES`: each but the first stands behind a comma or a bracket."""
    if _count_marks(text) <= MAX_VALUES:
        return False
    bare = bytes(text).replace(rb"\\", b"").replace(rb"\"", b"")  # now each quotation mark begins or ends a string
    # a value has at most two strings, its key and itself
    return bare.count(b'"') > 4 * MAX_VALUES or _count_marks(_STRING.sub(b"", bare)) > MAX_VALUES


def _count_marks(text: bytes | bytearray) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")
