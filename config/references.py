"""Expands `${NAME}`, `${NAME:-default}` and `${env:NAME}` from a mapping that is handed in. Reads no environment."""

import re
from collections.abc import Mapping
from typing import Final

_REFERENCE: Final = re.compile(
    r"\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|\$\{user:(?P<user>[A-Za-z_][A-Za-z0-9_]*)\}|\$\{[^}]*\}?"
)
"""What is not filled from the environment, `${user:NAME}`, is filled for each user when a session of theirs begins."""


class UndefinedVariable(LookupError):
    """A reference that cannot be filled. The text says which one and why."""


def expand(text: str, variables: Mapping[str, str], *, users: bool = False) -> str:
    """Returns the text with its references filled. Values are taken as they are: nothing in them is expanded again.

    A bare `$NAME` stays: dollar signs in passwords are never touched. So does `${user:NAME}` with `users`.

    Raises:
        UndefinedVariable: a variable is not defined and has no default, or the reference is not one we know.
    """

    def value(reference: re.Match[str]) -> str:
        name, default = reference["name"], reference["default"]
        if reference["user"] and users:
            return reference[0]
        if name is None:
            raise UndefinedVariable(f"{reference[0]!r} is no reference; write ${{NAME}} or ${{NAME:-default}}")
        # as in the shell, `:-` also stands in for an empty value
        found = variables.get(name)
        if found is None and default is None:
            raise UndefinedVariable(f"${{{name}}} is not defined; set {name}, or write ${{{name}:-default}}")
        return default if default is not None and not found else found or ""

    return _REFERENCE.sub(value, text)


def referenced(text: str) -> list[str]:
    """Returns the names of the variables a text refers to."""
    return [reference["name"] for reference in _REFERENCE.finditer(text) if reference["name"]]


def wanted_of_user(text: str) -> list[str]:
    """Returns the names of the credentials that a text wants of each user."""
    return [reference["user"] for reference in _REFERENCE.finditer(text) if reference["user"]]


def fill_for_user(text: str, credentials: Mapping[str, str]) -> str:
    """Returns the text with its `${user:NAME}` filled; nothing in the values is expanded again.

    Raises:
        KeyError: the user has no such credential.
    """
    return _REFERENCE.sub(lambda found: credentials[found["user"]] if found["user"] else found[0], text)
