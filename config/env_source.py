"""Merges the environment over `.env` for the settings, and finds the names in `.env` that mean nothing.

The environment itself is handed in: only `config/settings.py` reads it.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource
from typing_extensions import override

from config.checkout import from_checkout
from config.env_file import EnvEntry, load_env_file

_REFERENCE: Final = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)")
_NOT_A_SETTING: Final = "environment"


class EnvSource(PydanticBaseSettingsSource):
    """One source for both, because `.env` may also hold the secrets that `servers.json` refers to."""

    def __init__(
        self, settings_cls: type[BaseSettings], dotenv: PydanticBaseSettingsSource, environ: Mapping[str, str]
    ) -> None:
        super().__init__(settings_cls)
        env_file = dotenv.env_file if isinstance(dotenv, DotEnvSettingsSource) else None
        self._env_file = Path(env_file) if isinstance(env_file, str | Path) else None
        self._environ = environ

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        # Required by the base class; values are texts that the model parses, so nothing is complex.
        return self._merged(self._entries()).get(field_name.upper()), field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        entries = self._entries()
        merged = self._merged(entries)
        known = self._names()
        # Names that mean nothing go to the model as they are: it forbids them, beside all other mistakes.
        unknown = {entry.name: entry.value for entry in entries if entry.name not in known | self._referred(merged)}
        values = {name.lower(): merged[name] for name in known if name in merged}
        return unknown | values | {_NOT_A_SETTING: merged}

    def _names(self) -> set[str]:
        return {name.upper() for name in self.settings_cls.model_fields if name != _NOT_A_SETTING}

    def _entries(self) -> list[EnvEntry]:
        return load_env_file(self._env_file) if self._env_file else []

    def _merged(self, entries: Iterable[EnvEntry]) -> dict[str, str]:
        written = {entry.name: entry.value for entry in entries if entry.value}
        return written | {name: value for name, value in self._environ.items() if value}

    def _referred(self, merged: Mapping[str, str]) -> set[str]:
        """Returns the names that the MCP servers file refers to as `${NAME}`."""
        default = self.settings_cls.model_fields["mcp_servers"].default
        servers = str(self.current_state.get("mcp_servers") or merged.get("MCP_SERVERS") or default)
        return set(_REFERENCE.findall(servers if servers.lstrip().startswith("{") else _text(Path(servers))))


def _text(path: Path) -> str:
    # A file that cannot be read is reported by its own loader, with the reason.
    try:
        return from_checkout(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
