"""Turns what is wrong in the settings into mistakes that say where each value is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.checkout import shown_path
from config.env_file import EnvEntry
from config.errors import Mistake
from config.wording import complaint, expectation, quoted, suggestion


@dataclass(frozen=True)
class Origin:
    """Where the settings came from: code beats the environment, which beats the file."""

    env_file: Path | None
    entries: Sequence[EnvEntry]
    """What the file says."""
    environ: Mapping[str, str]
    given: Mapping[str, object]
    """In code, by the field's name."""

    def unknown(self, entries: Iterable[EnvEntry], names: Iterable[str]) -> list[Mistake]:
        """Returns a mistake for each entry of the file that means nothing; `names` are the settings."""
        known = [name.upper() for name in names]
        return [
            self._at(entry, f"is no setting, and no MCP server refers to it{suggestion(entry.name, known)}")
            for entry in entries
        ]

    def mistakes(self, error: ValidationError) -> list[Mistake]:
        """Returns one mistake per setting that pydantic found wrong."""
        found = error.errors(include_url=False)
        # A default that was not made follows from another mistake, which is listed.
        return [self._mistake(details) for details in found if details["type"] != "default_factory_not_called"]

    def _mistake(self, error: ErrorDetails) -> Mistake:
        field = str(error["loc"][0]) if error["loc"] else ""
        name, detail = field.upper(), _detail(error)
        if field in self.given:
            return Mistake("settings", None, name, detail)
        written = next((entry for entry in self.entries if entry.name == name), None)
        if written is None or self.environ.get(name):
            return Mistake("environment", None, name, detail)
        return self._at(written, detail)

    def _at(self, entry: EnvEntry, detail: str) -> Mistake:
        return Mistake(shown_path(self.env_file) if self.env_file else "", entry.line, entry.name, detail)


def in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Returns mistakes by place: those of a file by line."""
    return sorted(mistakes, key=lambda mistake: (mistake.source, mistake.line or 0))


def _detail(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "is no setting"
    # Only values that must be a number or one of a few words are repeated: no other setting is free of secrets.
    expected = expectation(error)
    return complaint(error) if expected is None else f"expected {expected}, got {quoted(error['input'])}"
