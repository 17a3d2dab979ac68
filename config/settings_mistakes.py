"""Turns what pydantic found wrong in the settings into mistakes that say where each value is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.checkout import shown_path
from config.env_file import load_env_file
from config.errors import Mistake
from config.wording import complaint, expectation, quoted, suggestion


@dataclass(frozen=True)
class Origin:
    """Where the settings came from, nearest first."""

    given: Mapping[str, object]
    """In code, by the field's name."""
    environ: Mapping[str, str]
    env_file: Path | None

    def place(self, name: str) -> tuple[str, int | None]:
        """Returns the source of a setting and, in a file, its line."""
        if name.lower() in self.given:
            return "settings", None
        if self.env_file and not self.environ.get(name):
            for entry in load_env_file(self.env_file):
                if entry.name.upper() == name:
                    return shown_path(self.env_file), entry.line
        return "environment", None


def build_settings_mistakes(error: ValidationError, origin: Origin, known: Iterable[str]) -> list[Mistake]:
    """Returns one mistake per setting that is wrong; `known` are the names of all settings."""
    names = [name.upper() for name in known]
    mistakes = []
    for details in error.errors(include_url=False):
        if details["type"] != "default_factory_not_called":  # that follows from a mistake which is listed
            name = str(details["loc"][0]).upper() if details["loc"] else ""
            mistakes.append(Mistake(*origin.place(name), name, _detail(details, name, names)))
    return sorted(mistakes, key=lambda mistake: (mistake.source, mistake.line or 0))


def _detail(error: ErrorDetails, name: str, known: Iterable[str]) -> str:
    if error["type"] == "extra_forbidden":
        return f"is no setting, and no MCP server refers to it{suggestion(name, known)}"
    # Only values that must be a number or one of a few words are repeated: no other setting is free of secrets.
    expected = expectation(error)
    return complaint(error) if expected is None else f"expected {expected}, got {quoted(error['input'])}"
