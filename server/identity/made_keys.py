"""The keys that are made here: how one looks, and how it is told from a guess.

Only its SHA-256 is kept. A slow hash is for secrets that people think of; 256 random bits cannot be searched for, and
a slow hash would be paid on each request.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

_BEGINNING: Final = "oat_"
_LOOK: Final = re.compile(r"oat_[0-9a-f]{10}_[A-Za-z0-9_-]{43}")
_PREFIX_LENGTH: Final = len(_BEGINNING) + 10


@dataclass(frozen=True)
class MadeKey:
    secret: str
    prefix: str
    """It is looked up by this, so that no comparison of secrets is left to a database."""
    hash: str


def make_key() -> MadeKey:
    secret = f"{_BEGINNING}{secrets.token_hex(5)}_{secrets.token_urlsafe(32)}"
    return MadeKey(secret, secret[:_PREFIX_LENGTH], _hash(secret))


def find_prefix(offered: str) -> str | None:
    """Returns what to look a key up by, if it looks like one that was made here."""
    return offered[:_PREFIX_LENGTH] if _LOOK.fullmatch(offered) else None


def matches(offered: str, known_hash: str) -> bool:
    return hmac.compare_digest(_hash(offered), known_hash)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
