"""What secrets look like that nobody has told us: tokens, private keys, passwords in addresses.

Each pattern takes time in proportion to the text: it begins with fixed letters or where a run of characters begins,
repeats single classes only, and possessively, so that nothing is tried twice.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from config.secret_names import QUOTED_SECRET_FIELD

HIDDEN: Final = "[hidden]"

Hidden = Callable[[str], slice | None]
"""Which part of a match is not shown; None where it is no such thing after all."""


@dataclass(frozen=True)
class Pattern:
    source: str
    hidden: Hidden
    marks: tuple[str, ...] = ()
    """One of these is in every match: a text without any need not be tried."""
    instead: str = HIDDEN


_QUOTED: Final = r'(?:"(?:[^"\\]|\\.)++|\'(?:[^\'\\]|\\.)++|\\"[^"\\]++)'
_FIELD_BEFORE: Final = re.compile(rf"{QUOTED_SECRET_FIELD}\s{{0,8}}:\s{{0,8}}\\?[\"']")


def whole(found: str) -> slice:
    return slice(0, len(found))


def _password(found: str) -> slice:
    """`://user:password@`: the password may hold colons, the user cannot."""
    return slice(found.index(":", len("://")) + 1, len(found) - 1)


def _credentials(found: str) -> slice | None:
    scheme, _, token = found.partition(" ")
    told = _is_user_and_password(token.strip()) if scheme.lower() == "basic" else re.search(r"\d", token)
    return slice(len(found) - len(token.lstrip()), len(found)) if told else None


def _is_user_and_password(text: str) -> bool:
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _field_value(found: str) -> slice:
    before = _FIELD_BEFORE.match(found)
    return slice(before.end() if before else 0, len(found))


SECRETS: Final[Mapping[str, Pattern]] = {
    "pem": Pattern(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
        whole,
        ("-----BEGIN ",),
    ),
    "authorization": Pattern(
        r"(?<![A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC)[ \t]{1,4}+[A-Za-z0-9._~+/=-]{16,}+",
        _credentials,
        ("bearer", "Bearer", "BEARER", "basic", "Basic", "BASIC"),
    ),
    "jwt": Pattern(r"(?<![\w-])eyJ[\w-]{5,}+\.[\w-]{5,}+\.[\w-]{5,}+", whole, ("eyJ",)),
    # a word such as `sk-learn-preprocessing` has no digit
    "api_key": Pattern(r"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{16,}+", whole, ("sk-",)),
    "github": Pattern(
        r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_\w{20,}+)",
        whole,
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    ),
    "aws": Pattern(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])", whole, ("AKIA", "ASIA")),
    "slack": Pattern(r"(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9-]{10,}+", whole, ("xox",)),
    "google": Pattern(r"(?<![\w-])AIza[\w-]{35}(?![\w-])", whole, ("AIza",)),
    "dsn": Pattern(r"://[^\s:/@]{0,100}+:[^\s@/\"'<>]{1,500}+@", _password, ("://",)),
}
FIELDS: Final[Mapping[str, Pattern]] = {
    "field": Pattern(rf"{QUOTED_SECRET_FIELD}\s{{0,8}}+:\s{{0,8}}+{_QUOTED}", _field_value, ('"', "'"))
}
"""For text that is structured data: there a name says what its value is."""
