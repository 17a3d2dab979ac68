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
