"""API keys at work: whose is the one that was sent. In memory there are only hashes; a generated key has a file."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from config import owners
from config.api_keys import ApiKey, Role
from config.errors import ConfigError
from config.exposure import SHORTEST_KEY, find_weakness, is_loopback
from config.settings import Settings

GENERATED_KEY_FILE: Final = "api_key"


@dataclass(frozen=True)
class Principal:
    """Who asks. `name` owns what it makes, so that a key can be changed without losing anything."""

    name: str
    role: Role
    by: str | None = None
    """The service that acts for it."""
    scopes: frozenset[str] | None = None
    """What its token is limited to; None is all that the role may."""


PRODUCT: Final = Principal(owners.PRODUCT, "service")
"""Who does what nobody asked for."""
COMMAND_LINE: Final = Principal(owners.COMMAND_LINE, "admin")
"""Who works on the database itself: whoever may read its files."""


class KeyRing:
    """The keys that are accepted, hashed."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._holders = [(_hash(key.key.get_secret_value()), Principal(key.name, key.role)) for key in keys]

    def find(self, key: str) -> Principal | None:
        """Returns the key's holder. A wrong key takes as long as a right one."""
        given = _hash(key)
        found = None
        for known, principal in self._holders:
            if hmac.compare_digest(known, given):
                found = principal
        return found


def load_api_keys(settings: Settings, generated: Role = "admin") -> tuple[ApiKey, ...]:
    """Returns the configured keys, or the generated one, which the first start makes, with the role `generated`.

    Raises:
        ConfigError: others than this machine would reach a server whose key can be guessed.
    """
    if settings.api_keys:
        _refuse_weak(settings)
        return settings.api_keys
    key = _load_generated_key(settings.data_dir / GENERATED_KEY_FILE)
    return (ApiKey(name=generated, role=generated, key=SecretStr(key)),)


def where_the_key_is(settings: Settings) -> str:
    return "in API_KEYS" if settings.api_keys else f"in {settings.data_dir / GENERATED_KEY_FILE}"


def _refuse_weak(settings: Settings) -> None:
    if not is_loopback(settings.host) and (weakness := find_weakness(settings.api_keys)):
        raise ConfigError(
            f"API_KEYS: {weakness}, and HOST={settings.host} is reached from the network. "
            "Make a key that nobody guesses: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )


def _load_generated_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_text().strip()
        if len(key) < SHORTEST_KEY:  # a disk that was full left it empty, or someone wrote one by hand
            raise ConfigError(f"{path} holds no key: remove it, and the next start makes one.") from None
        return key
    key = f"oa-{secrets.token_urlsafe(32)}"
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{key}\n")
    return key


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
