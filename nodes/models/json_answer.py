"""Reads the text of `{"answer": "…"}` while that JSON is still being written."""

import re
from typing import Final

_HEAD: Final = re.compile(r'\A\s*\{\s*"answer"\s*:\s*"')
_UNIT: Final = re.compile(r'[^"\\]+|\\u[0-9a-fA-F]{4}|\\[^u]')
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LONE: Final = "\ufffd"
"""Stands for half a surrogate pair, which no UTF-8 text can carry."""


class AnswerReader:
    """Takes JSON text in pieces of any size and gives the answer's text as far as it is certain."""

    def __init__(self) -> None:
        self._waiting = ""
        """Text that cannot be read yet: the head, or an escape that is not complete."""
        self._high = ""
        """The first half of a surrogate pair, until the second comes."""
        self._inside = False
        self._ended = False

    def feed(self, piece: str) -> str:
        """Returns the text that `piece` adds to the answer; always empty where the JSON holds no answer."""
        self._waiting += piece
        if not self._inside and not self._enter():
            return ""
        text: list[str] = []
        while not self._ended and (unit := _UNIT.match(self._waiting)):
            self._waiting = self._waiting[unit.end() :]
            text.append(self._decode(unit.group()))
        if not self._ended and self._waiting.startswith('"'):
            self._ended = True
            text.append(self._drop_high())
        return "".join(text)

    def _enter(self) -> bool:
        head = _HEAD.match(self._waiting)
        if head:
            self._inside = True
            self._waiting = self._waiting[head.end() :]
        return self._inside

    def _decode(self, unit: str) -> str:
        if not unit.startswith("\\"):
            return self._drop_high() + "".join(_LONE if "\ud800" <= sign <= "\udfff" else sign for sign in unit)
        if unit[1] != "u":
            return self._drop_high() + _ESCAPES.get(unit[1], unit[1])
        return self._decode_unicode(chr(int.from_bytes(bytes.fromhex(unit[2:]))))

    def _decode_unicode(self, sign: str) -> str:
        if "\udc00" <= sign <= "\udfff":
            high, self._high = self._high, ""
            return (high + sign).encode("utf-16", "surrogatepass").decode("utf-16") if high else _LONE
        before = self._drop_high()
        if "\ud800" <= sign <= "\udbff":
            self._high = sign
            return before
        return before + sign

    def _drop_high(self) -> str:
        high, self._high = self._high, ""
        return _LONE if high else ""
