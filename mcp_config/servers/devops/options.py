"""How the devops server is started: its environment, read once."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DevopsOptions:
    log_folders: tuple[Path, ...]
    """Folders and single files whose logs may be read; none by default."""
    docker: str | None
    """The executable, if there is one on `PATH`."""
    kubectl: str | None


def read_options(environment: Mapping[str, str]) -> DevopsOptions:
    """Reads `LOG_FOLDERS` (separated as in PATH) and looks for docker and kubectl on `PATH`."""
    search_path = environment.get("PATH", os.defpath)
    return DevopsOptions(
        tuple(Path(part).expanduser() for part in environment.get("LOG_FOLDERS", "").split(os.pathsep) if part),
        shutil.which("docker", path=search_path),
        shutil.which("kubectl", path=search_path),
    )
