"""Personal data by what it looks like, for agents and tools whose policy says `redact`.

Precise rather than complete: a number is a card only by Luhn's check, an account only by mod 97, a phone only with `+`,
a leading zero or the usual groups; lower-case IBANs and digits without any grouping are left alone. Time is linear.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

from config.agents import Redaction
from config.secret_patterns import Pattern, whole

_DATE: Final = re.compile(r"\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}")
_FEWEST_DIGITS: Final = 8
_MOST_DIGITS: Final = 15
_SHORTEST_IBAN: Final = 15
_NUMBERS: Final = {ord(letter): str(int(letter, 36)) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _phone(found: str) -> slice | None:
    digits = sum(character.isdigit() for character in found)
    return whole(found) if _FEWEST_DIGITS <= digits <= _MOST_DIGITS and not _DATE.fullmatch(found) else None


def _card(found: str) -> slice | None:
    digits = [int(character) for character in found if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return whole(found) if any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else None


def _iban(found: str) -> slice | None:
    """Upper-case words may follow in groups of their own: they are shown."""
    groups = found.split(" ")
    for count in range(len(groups), 0, -1):
        account = "".join(groups[:count])
        if len(account) >= _SHORTEST_IBAN and _is_account(account):
            return slice(0, len(" ".join(groups[:count])))
    return None


def _is_account(account: str) -> bool:
    return int((account[4:] + account[:4]).translate(_NUMBERS)) % 97 == 1


def _ip(found: str) -> slice | None:
    if not any(character.isdigit() for character in found):
        return None  # `a::b` is somebody's code
    if ":" not in found:
        return whole(found) if all(int(part) <= 255 and str(int(part)) == part for part in found.split(".")) else None
    address = found if found.endswith("::") else found.rstrip(".:")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    return slice(0, len(address))


PERSONAL: Final[Mapping[Redaction, Pattern]] = {
    "email": Pattern(
        r"(?<![\w.+%-])[\w.+%-]{1,64}+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61})\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])",
        whole,
        ("@",),
        "[email]",
    ),
    "iban": Pattern(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}(?![A-Za-z0-9])", _iban, instead="[iban]"),
    "card": Pattern(r"(?<![\d.,])\d(?:[ -]?\d){12,18}(?!\d)", _card, instead="[card]"),
    "ip": Pattern(
        r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)|(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}+(?!\w))",
        _ip,
        instead="[ip]",
    ),
    "phone": Pattern(
        r"(?<![\w.+])(?:\+\d{1,3}[ ().\-/]{0,2}(?:\d[ ().\-/]{0,2}){5,13}\d"
        r"|\(?0\d{1,5}\)?[ \-/](?:\d[ \-/]?){4,11}\d"
        r"|\(?\d{3}\)?[ .\-]\d{3}[ .\-]\d{4})(?!\w)",
        _phone,
        instead="[phone]",
    ),
}
