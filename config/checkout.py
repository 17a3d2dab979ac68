"""Where this checkout lies, and how its files are named to people. Knows nothing of what is in them."""

from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
"""The folder that relative paths in settings are relative to, whatever the current one is."""


def from_checkout(path: Path) -> Path:
    """Returns the absolute path that a setting means: `~` is the user's home, the rest lies in the checkout."""
    return CHECKOUT / path.expanduser()


def shown_path(path: Path) -> str:
    """Returns the name of a file for messages: short for the checkout's own files, whole for others."""
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
