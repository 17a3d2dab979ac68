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

Instead = Callable[[str], str | None]
"""What is shown for a match; None where it is no such thing after all."""


@dataclass(frozen=True)
class Pattern:
    source: str
    instead: Instead
    marks: tuple[str, ...] = ()
    """One of these is in every match: a text without any need not be tried."""


_QUOTED: Final = r'(?:"(?:[^"\\]|\\.){1,4000}+|\'(?:[^\'\\]|\\.){1,4000}+|\\"[^"\\]{1,4000}+)'
_FIELD_BEFORE: Final = re.compile(rf"{QUOTED_SECRET_FIELD}\s{{0,8}}:\s{{0,8}}\\?[\"']")


def _hide(_: str) -> str:
    return HIDDEN


def _hide_password(found: str) -> str:
    """`://user:password@`: the password may hold colons, the user cannot."""
    user = found.index(":", len("://"))
    return f"{found[: user + 1]}{HIDDEN}@"


def _hide_credentials(found: str) -> str | None:
    scheme, _, token = found.partition(" ")
    shown = found[: len(found) - len(token.lstrip())]
    if scheme.lower() == "basic":
        return f"{shown}{HIDDEN}" if _is_user_and_password(token.strip()) else None
    return f"{shown}{HIDDEN}" if re.search(r"\d", token) else None


def _is_user_and_password(text: str) -> bool:
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _hide_field(found: str) -> str:
    before = _FIELD_BEFORE.match(found)
    return f"{before.group() if before else ''}{HIDDEN}"


SECRETS: Final[Mapping[str, Pattern]] = {
    "pem": Pattern(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
        _hide,
        ("-----BEGIN ",),
    ),
    "authorization": Pattern(
        r"(?<![A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC)[ \t]{1,4}+[A-Za-z0-9._~+/=-]{16,}+",
        _hide_credentials,
        ("bearer", "Bearer", "BEARER", "basic", "Basic", "BASIC"),
    ),
    "jwt": Pattern(r"(?<![\w-])eyJ[\w-]{5,}+\.[\w-]{5,}+\.[\w-]{5,}+", _hide, ("eyJ",)),
    # a word such as `sk-learn-preprocessing` has no digit
    "api_key": Pattern(r"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{16,}+", _hide, ("sk-",)),
    "github": Pattern(
        r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_\w{20,}+)",
        _hide,
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    ),
    "aws": Pattern(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])", _hide, ("AKIA", "ASIA")),
    "slack": Pattern(r"(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9-]{10,}+", _hide, ("xox",)),
    "google": Pattern(r"(?<![\w-])AIza[\w-]{35}(?![\w-])", _hide, ("AIza",)),
    "dsn": Pattern(r"://[^\s:/@]{0,100}+:[^\s@/\"'<>]{1,500}+@", _hide_password, ("://",)),
}
FIELDS: Final[Mapping[str, Pattern]] = {
    "field": Pattern(rf"{QUOTED_SECRET_FIELD}\s{{0,8}}+:\s{{0,8}}+{_QUOTED}", _hide_field, ('"', "'"))
}
"""For text that is structured data: there a name says what its value is."""
