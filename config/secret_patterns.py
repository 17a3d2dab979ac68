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

from config.secret_names import QUOTED_SECRET_FIELD, SECRET_FIELD_MARKS

HIDDEN: Final = "[hidden]"

Hidden = Callable[[str], slice | None]
"""Which part of a match is not shown; None where it is no such thing after all."""
REACH: Final = 1_024


@dataclass(frozen=True)
class Pattern:
    head: str
    """Matches `REACH` characters at most: so a long text can be gone through in pieces, and nothing is missed."""
    hidden: Hidden
    marks: tuple[str, ...] = ()
    """One of these, or if there are none a digit, is in every head: where none is, none need be looked for."""
    instead: str = HIDDEN
    rest: str = ""
    """What follows the head, however long."""
    any_case: bool = False
    """The marks are in small letters, and meant in any."""

    @property
    def source(self) -> str:
        return self.head + self.rest


_QUOTED: Final = r'(?:"(?:[^"\\]|\\.)++|\'(?:[^\'\\]|\\.)++|\\"[^"\\]++)'
_FIELD_BEFORE: Final = re.compile(rf"{QUOTED_SECRET_FIELD}\\?[\"']")


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
        "-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----",
        whole,
        ("-----BEGIN ",),
        rest="[^-]*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
    ),
    "authorization": Pattern(
        r"(?<![A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC)[ \t]{1,4}+",
        _credentials,
        tuple(word + space for word in ("bearer", "Bearer", "BEARER", "basic", "Basic", "BASIC") for space in " \t"),
        rest="[A-Za-z0-9._~+/=-]{16,}+",
    ),
    "jwt": Pattern(r"(?<![\w-])eyJ", whole, ("eyJ",), rest=r"[\w-]{5,}+\.[\w-]{5,}+\.[\w-]{5,}+"),
    # a word such as `sk-learn-preprocessing` has no digit
    "api_key": Pattern("(?<![A-Za-z0-9_-])sk-", whole, ("sk-",), rest=r"(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{16,}+"),
    "github": Pattern(
        "(?<![A-Za-z0-9])gh[pousr]_", whole, ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rest="[A-Za-z0-9]{20,}+"
    ),
    "github_pat": Pattern("(?<![A-Za-z0-9])github_pat_", whole, ("github_pat_",), rest=r"\w{20,}+"),
    "aws": Pattern("(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])", whole, ("AKIA", "ASIA")),
    "slack": Pattern(
        "(?<![A-Za-z0-9])xox[abprs]-",
        whole,
        ("xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-"),
        rest="[A-Za-z0-9-]{10,}+",
    ),
    "google": Pattern(r"(?<![\w-])AIza[\w-]{35}(?![\w-])", whole, ("AIza",)),
    "dsn": Pattern(r"://[^\s:/@]{0,100}+:[^\s@/\"'<>]{1,500}+@", _password, ("://",)),
}
FIELDS: Final[Mapping[str, Pattern]] = {
    "field": Pattern(QUOTED_SECRET_FIELD, _field_value, SECRET_FIELD_MARKS, rest=_QUOTED, any_case=True)
}
"""For text that is structured data: there a name says what its value is."""
