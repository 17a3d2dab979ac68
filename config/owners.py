"""What may be the name of an owner: of keys, of tokens' subjects, of users that a service acts for."""

from typing import Final

LONGEST_OWNER: Final = 200
PRODUCT: Final = "open-agent"
COMMAND_LINE: Final = "command-line"
RESERVED: Final = frozenset({PRODUCT, COMMAND_LINE})
"""Whom the audit names where no client asked: nobody signs in as one of these."""


def is_owner(name: object) -> bool:
    """Tells whether it is a name that every log line, header and database can hold, and nobody can mistake."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= LONGEST_OWNER
        and name.isprintable()  # no line breaks, no control or invisible characters, no halves of characters
        and name == name.strip()
        and name not in RESERVED
    )


def check_owner(name: str) -> str:
    """Raises: ValueError."""
    if not is_owner(name):
        raise ValueError("expected a name of printable characters without spaces at its ends, and none that is taken")
    return name
