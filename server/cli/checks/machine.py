"""The machine: Python and processors, the data folder and its disk, the port."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx

from config.settings import Settings
from server.cli.checks.finding import Finding, fault, note, ok
from server.cli.remote import address_of_settings, find_local_key
from server.listening import CannotListen, bind

_LEAST_FREE: Final = 200_000_000
_NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.glusterfs", "fuse.sshfs"}
)
"""On these, locks and shared memory are not what SQLite's write-ahead log needs them to be."""


def check_python() -> Finding:
    return ok("python", f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} processors")


def check_data_folder(settings: Settings, mounts: Path = Path("/proc/self/mounts")) -> Iterator[Finding]:
    folder = settings.data_dir
    there = nearest_folder(folder)
    if not there.is_dir():
        yield fault("data folder", f"{there} is not a folder: remove it, or choose another DATA_DIR")
        return
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield fault("data folder", f"{there} cannot be written ({error.strerror}): change its owner, or set DATA_DIR")
        return
    free = shutil.disk_usage(there).free
    yield _room(folder, free)
    kind = find_network_file_system(there, mounts)
    if kind and settings.database_url.startswith("sqlite"):
        rescue = "set DATA_DIR to a local disk, or DATABASE_URL to a PostgreSQL"
        yield fault("data folder", f"{folder} is on a network file system ({kind}), where SQLite loses data: {rescue}")


def _room(folder: Path, free: int) -> Finding:
    shown = f"{free / 1e9:.1f} GB are free in {folder}"
    if free < _LEAST_FREE:
        return fault("data folder", f"only {shown}: make room, or set DATA_DIR to another disk")
    return ok("data folder", shown)


def nearest_folder(path: Path) -> Path:
    """Returns the path itself, or the nearest one above it that exists."""
    return next(each for each in (path, *path.parents) if each.exists())


def find_network_file_system(path: Path, mounts: Path) -> str | None:
    """Returns the kind of network file system the path is on; None where it is local, or nobody tells."""
    try:
        lines = mounts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    mounted = [(Path(fields[1].replace("\\040", " ")), fields[2]) for line in lines if len(fields := line.split()) > 2]
    holding = [(len(point.parts), kind) for point, kind in mounted if path.resolve().is_relative_to(point)]
    _, kind = max(holding, default=(0, ""))
    return kind if kind in _NETWORK_FILE_SYSTEMS else None


def check_port(settings: Settings) -> Finding:
    """The port is free, or open-agent is there already and takes our key."""
    try:
        bind(settings.host, settings.port).close()
    except CannotListen as error:
        return _check_listener(settings) or fault("port", str(error))
    return ok("port", f"{settings.host}:{settings.port} is free")


def _check_listener(settings: Settings) -> Finding | None:
    address, key = address_of_settings(settings), find_local_key(settings)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{address}/v1/info", headers=headers, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return None
    if 'realm="open-agent"' in answer.headers.get("WWW-Authenticate", ""):
        return note("port", f"open-agent is running at {address}, but not with the API key of this configuration")
    if answer.is_success and '"open-agent gateway"' in answer.text:
        return ok("port", f"open-agent's gateway is running at {address}")
    if answer.is_success and '"open-agent"' in answer.text:
        return ok("port", f"open-agent is running at {address}")
    return None
