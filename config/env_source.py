"""Turns the environment and `.env` into values for the settings. Both are handed in.

A source of our own, because pydantic's would expand `${NAME}` inside `.env` and take lists only as JSON.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from typing_extensions import override

from config.checkout import CHECKOUT, from_checkout
from config.env_file import EnvEntry
from config.references import referenced

_NOT_A_SETTING: Final = "environment"
_COMPOSE_FILE: Final = CHECKOUT / "docker-compose.yml"


class EnvSource(PydanticBaseSettingsSource):
    """The environment: every value is a text that the model parses, and an empty one counts as unset."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environ = {name: value for name, value in environ.items() if value}

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        value = self._environ if field_name == _NOT_A_SETTING else self._environ.get(field_name.upper())
        return value, field_name, False

    @override
    def __call__(self) -> dict[str, object]:
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {name: value for value, name, _ in found if value is not None}


def build_file_values(
    entries: Iterable[EnvEntry], environ: Mapping[str, str], names: Iterable[str]
) -> dict[str, object]:
    """Returns what `.env` gives where the environment does not; `names` are the settings' fields."""
    given = {entry.name: entry.value for entry in entries if entry.value and not environ.get(entry.name)}
    settings = {name: given[name.upper()] for name in names if name.upper() in given and name != _NOT_A_SETTING}
    return {**settings, _NOT_A_SETTING: given}


def unknown_entries(entries: Iterable[EnvEntry], names: Iterable[str], servers: str) -> list[EnvEntry]:
    """Returns the entries that are no setting, that no MCP server refers to, and that Docker Compose does not want."""
    known = {name.upper() for name in names if name != _NOT_A_SETTING}
    # `servers` is a path or the JSON itself
    known.update(referenced(servers if servers.lstrip().startswith("{") else _text_of(from_checkout(Path(servers)))))
    known.update(referenced(_text_of(_COMPOSE_FILE)))
    return [entry for entry in entries if entry.name not in known and not entry.name.startswith("COMPOSE_")]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # whoever needs the file reports it, with the reason
