"""Whether an API key is strong enough for a server that other machines can reach."""

import ipaddress
from collections.abc import Iterable
from typing import Final

from config.api_keys import ApiKey

SHORTEST_KEY: Final = 16
_FEWEST_CHARACTERS: Final = 6
"""Different ones: `aaaaaaaaaaaaaaaa` is long and no secret."""
_KNOWN: Final = frozenset(
    {"changeme", "change-me", "default", "example", "holder", "password", "replace", "secret", "test", "your"}
)
"""What stands for a key in examples. A key made of chance holds none of them together with so little else."""


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches what listens there. A name other than `localhost` may mean anything."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def find_weakness(keys: Iterable[ApiKey]) -> str | None:
    """Returns why the first weak key is one, or None. The words never show the key."""
    for number, key in enumerate(keys, start=1):
        if reason := _weakness(key.key.get_secret_value()):
            return f"entry {number} ({key.name}) {reason}"
    return None


def _weakness(secret: str) -> str | None:
    if len(secret) < SHORTEST_KEY:
        return f"is shorter than {SHORTEST_KEY} characters"
    if len(set(secret)) < _FEWEST_CHARACTERS:
        return f"has fewer than {_FEWEST_CHARACTERS} different characters"
    lowered = secret.lower()
    if any(word in lowered and len(secret) < SHORTEST_KEY + len(word) for word in _KNOWN):
        return "looks like an example's"
    return None
