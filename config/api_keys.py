"""What `API_KEYS` says: who may come in, and as what. Generating and comparing keys is the server's work."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pydantic import SecretStr

Role = Literal["user", "admin", "service"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_ENTRY: Final = re.compile(r"\A(?:(?P<name>[\w.@-]+)=(?!=*$))?(?:(?P<role>[^:]*):)?(?P<key>[^\s:]+)")


@dataclass(frozen=True)
class ApiKey:
    """One key. Its name owns what is made with it, so a key can be changed without losing anything."""

    name: str
    role: Role
    key: SecretStr


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Returns the keys of a comma-separated list of `[name=][role:]key`.

    A key without a role is an admin's; one without a name is named after its role.

    Raises:
        ValueError: an entry does not fit; the message counts entries and never shows a key.
    """
    entries = [entry.strip() for entry in text.split(",")]
    keys = tuple(_parse(entry, number) for number, entry in enumerate(entries, start=1) if entry)
    _refuse_twins(keys)
    return keys


def _parse(entry: str, number: int) -> ApiKey:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError(f"entry {number}: expected [name=][role:]key; a key holds no comma, colon or space")
    role = find_role(match["role"] or "admin")
    if role is None:
        raise ValueError(f"entry {number}: expected one of the roles {', '.join(ROLES)} before the colon")
    return ApiKey(match["name"] or role, role, SecretStr(match["key"]))


def find_role(text: str) -> Role | None:
    return next((role for role in ROLES if role == text), None)


def _refuse_twins(keys: Iterable[ApiKey]) -> None:
    seen: dict[str, int] = {}
    for number, entry in enumerate(keys, start=1):
        first = seen.setdefault(entry.key.get_secret_value(), number)
        if first != number:
            raise ValueError(f"entries {first} and {number} have the same key; each key belongs to one name")
