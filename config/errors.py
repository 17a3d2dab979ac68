"""What can be wrong with the configuration. `str(error)` is for the person who wrote it: a line per mistake.

ConfigError
├── UnreadableFile   a file that is needed is too big, or may not be read
│   └── MissingFile  there is no such file
├── InvalidFile      a file was read, and its mistakes are listed with line and key
└── InvalidSettings  the environment or `.env` says what cannot be
"""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True)
class Mistake:
    """One thing to put right: where it is written, and what was expected there."""

    source: str
    """A file's name, or `environment`."""
    line: int | None
    key: str
    """The path to the value, such as `agents[2].model`; empty for the whole."""
    detail: str

    @override
    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.detail) if part)


class ConfigError(Exception):
    """Base of all: the product cannot start with this configuration."""


class UnreadableFile(ConfigError): ...


class MissingFile(UnreadableFile): ...


class _MistakenError(ConfigError):
    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class InvalidFile(_MistakenError): ...


class InvalidSettings(_MistakenError): ...
