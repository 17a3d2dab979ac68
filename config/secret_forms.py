"""The texts a secret may be met as: itself, and what usual encodings make of it."""

import base64
import html
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

_BITS: Final = 6
"""What one character of base64 holds."""
_TELLING: Final = 4
"""Fewer letters are in too many texts to say anything."""
_SHORTEST_LINE: Final = 60
_SHORTEST_WRAPPED: Final = 16
"""Less of it is seldom broken in two, and its pieces say little."""
_PLAIN: Final = re.compile("[A-Za-z0-9]+")


def build_forms(secret: str) -> frozenset[str]:
    """Returns the secret raw, in JSON, HTML and URLs, also encoded twice, in hex, and as it shows within base64."""
    raw = secret.encode(errors="surrogatepass")
    written = {secret, *_in_json(secret), *_in_urls(secret), html.escape(secret), repr(secret)[1:-1]}
    twice = {again for form in _in_urls(secret) for again in _in_urls(form)}
    twice |= {again for form in _in_json(secret) for again in _in_json(form)}
    return frozenset({*written, *twice, raw.hex(), raw.hex().upper(), *_in_base64(raw)} - {""})


def build_wrapped(secret: str) -> frozenset[str]:
    """Returns the forms that may go on in another line: encoders of base64 break lines after 60 characters or more."""
    raw = secret.encode(errors="surrogatepass")
    return frozenset(form for form in _in_base64(raw) if len(form) >= _SHORTEST_WRAPPED)


def build_marks(secret: str) -> frozenset[str]:
    """Returns texts one of which is in every form, as few as can be: most forms leave letters and digits alone."""
    same, wrapped = max(_PLAIN.findall(secret), key=len, default=""), build_wrapped(secret)
    whole = build_forms(secret) - wrapped
    plain = {same if len(same) >= _TELLING and same in form else form for form in whole}
    return frozenset({*plain, *(piece for form in wrapped for piece in _pieces(form))})


def _pieces(form: str) -> Iterator[str]:
    """Yields so many that one of them stays whole, wherever its lines end."""
    count = len(form) // _SHORTEST_LINE + 2
    size = len(form) // count
    for start in range(0, size * count, size):
        yield form[start : start + size]


def _in_json(text: str) -> Iterator[str]:
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    yield from (plain, json.dumps(text)[1:-1], plain.replace("/", "\\/"))


def _in_urls(text: str) -> Iterator[str]:
    data = text.encode(errors="surrogatepass")
    for form in (quote(data, safe=""), quote(data, safe="/"), quote(data, safe="!'()*"), quote_plus(data)):
        yield from (form, _lower_escapes(form))


def _lower_escapes(form: str) -> str:
    first, *parts = form.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in parts)])


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yields what of its base64 is the same whatever stands around it, for each of the three places it can begin at."""
    for before in range(3):
        first = -(-before * 8 // _BITS)
        last = (before + len(secret)) * 8 // _BITS
        padded = bytes(before) + secret + bytes(-(before + len(secret)) % 3)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(padded)[first:last].decode()
