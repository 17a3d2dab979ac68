"""Which names of variables say that their values are secret. One answer for every place that hides some."""

import re
from typing import Final

SHORTEST_SECRET: Final = 6
"""Shorter values are no secrets worth the name, and hiding them would black out ordinary words."""

_SECRET: Final = re.compile(
    r"(key|token|secret|passw(or)?d|passphrase|credential|cookie|dsn|database_url)s?(?![a-z])|(?<![a-z])auth(?![a-z])",
    re.IGNORECASE,
)


def names_secret(name: str) -> bool:
    """Tells whether a variable is called like a secret: `OPENAI_API_KEY`, `KEY_2`, but not `KEYTIMEOUT`."""
    return _SECRET.search(name) is not None


_WORDS: Final = "|".join(
    f"(?<={word})"
    for word in (
        *("password", "passwd", "passphrase", "secret", "token", "authorization", "cookie", "dsn"),
        *("credential", "credentials", "apikey", "accesskey", "privatekey", "secretkey"),
        *("api[_-]key", "access[_-]key", "private[_-]key", "secret[_-]key"),
    )
)
_FIELD: Final = (
    rf"(?=[\w-]{{3,60}}+(?<=[delnsty])(?:{_WORDS}))"
    r"(?![\w-]{0,40}(?:page|next|continuation|sync|cursor|max)[\w-]{0,20}token)[\w-]{3,60}+"
)
"""What the name ends with is looked at where it ends: so each name is gone through once."""
QUOTED_SECRET_FIELD: Final = rf"[\"'](?=[\w-]{{3,60}}+\\?[\"']\s{{0,8}}+:)(?i:{_FIELD})\\?[\"']\s{{0,8}}+:\s{{0,8}}+"
"""A field that is called like a secret, as it stands in JSON text. Pages have tokens, too: those are no secrets."""
SECRET_FIELD_MARKS: Final = (
    *("passw", "passphrase", "secret", "token", "authorization", "cookie", "dsn", "credential"),
    *("apikey", "api_key", "api-key", "accesskey", "access_key", "access-key"),
    *("privatekey", "private_key", "private-key"),
)
"""In small letters: one of these is in every such name."""
_IS_SECRET_FIELD: Final = re.compile(_FIELD, re.IGNORECASE)


def names_secret_field(name: str) -> bool:
    """Tells whether a field of structured data is called like a secret; stricter than for variables: `key` is none."""
    return _IS_SECRET_FIELD.fullmatch(name[:100]) is not None
