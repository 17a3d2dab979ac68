"""How the docs server is started: its environment, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROJECT: Final = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class DocsOptions:
    folders: tuple[Path, ...]
    """Folders and single files that may be read."""


def read_options(environment: Mapping[str, str]) -> DocsOptions:
    """Reads `DOCS_FOLDERS` (separated as in PATH); empty means this project's own README.md and docs/."""
    named = tuple(Path(part).expanduser() for part in environment.get("DOCS_FOLDERS", "").split(os.pathsep) if part)
    return DocsOptions(named or (_PROJECT / "README.md", _PROJECT / "docs"))
