"""Puts one server into its sandbox: which one is in force, and the command, environment and folder that make it so."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mcp_config.sandbox import launcher
from mcp_config.sandbox.bwrap import SYSTEM_PATHS, build_bwrap
from mcp_config.sandbox.grants import Grants, Kind, Sandbox
from mcp_config.sandbox.probe import Available

_FIRST_UID: Final = 61184
_UIDS: Final = 4096
"""Numbers that systemd sets aside for users that come and go: no person and no other service has one."""
_BECOMING: Final = 1 << 0 | 1 << 6 | 1 << 7
"""CAP_CHOWN, CAP_SETGID, CAP_SETUID."""
_REACHING: Final = 1 << 2
"""CAP_DAC_READ_SEARCH."""
_WATCH_SECONDS: Final = 1.0
_INET: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
"""With AF_NETLINK programs learn which of the other two they have."""


@dataclass(frozen=True)
class Launch:
    """What is started in the server's place."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    folder: Path | None = None
    """A temporary folder that has no bound of its own, so that somebody must look at it."""


@dataclass(frozen=True)
class _User:
    """Whom a server runs as; None for whoever we are."""

    uid: int | None
    reads_all: bool = False
    """Whether it keeps root's right to read."""


def choose_sandbox(wanted: Sandbox, available: Available) -> Kind | None:
    """Returns the sandbox that will be in force; None when what is wanted does not work on this machine."""
    match wanted:
        case "none":
            return "none"
        case "bwrap":
            return "bwrap" if available.bwrap else None
        case "landlock":
            return "landlock" if available.landlock else None
        case "auto":
            return "bwrap" if available.bwrap else "landlock" if available.landlock else None


@contextlib.contextmanager
def prepare_launch(
    name: str, command: Sequence[str], env: Mapping[str, str], cwd: str | None, grants: Grants, bwrap: str | None
) -> Iterator[Launch]:
    """Yields what to start: by bubblewrap at the path `bwrap`, or by Landlock when that is None.

    Raises:
        OSError: a folder that was granted for writing cannot be made.
    """
    needed = (*_program_paths(command, env), sys.base_prefix, launcher.__file__)
    user = _choose_user(name, needed, grants, rebuilt=bwrap is not None)
    if bwrap is not None:
        words = build_bwrap(bwrap, grants, cwd or "/tmp", needed)  # noqa: S108 (its own, inside)
        spec = _build_spec(grants, user, parent=0)
        home = {"HOME": "/tmp", "TMPDIR": "/tmp"}  # noqa: S108
        yield Launch((*words, *_launcher(spec), *command), {**home, **env}, "/")
        return
    with tempfile.TemporaryDirectory(prefix="open-agent-", ignore_cleanup_errors=True) as folder:
        if user.uid is not None:
            os.chown(folder, user.uid, user.uid)
        spec = _build_spec(grants, user, parent=os.getpid())
        visible = _unhidden([*needed, *SYSTEM_PATHS, *grants.read], grants.hide)
        spec |= {"landlock": True, "listed": [cwd] if cwd else [], "read": visible, "write": [folder, *grants.write]}
        home = {"HOME": folder, "TMPDIR": folder}
        yield Launch((*_launcher(spec), *command), {**home, **env}, cwd or folder, Path(folder))


@contextlib.asynccontextmanager
async def watched(launch: Launch, grants: Grants, group: int, exceeded: Callable[[], None]) -> AsyncIterator[None]:
    """Looks after what Landlock does not bound: the temporary folder, and what a root process may start."""
    if launch.folder is None:
        yield
        return
    watch = asyncio.create_task(_watch(launch.folder, grants, group, exceeded), name="sandbox watch")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _watch(folder: Path, grants: Grants, group: int, exceeded: Callable[[], None]) -> None:
    while True:
        if await asyncio.to_thread(_size_of, folder) > grants.file or _size_of_group(group) > grants.processes:
            exceeded()
        await asyncio.sleep(_WATCH_SECONDS)


def with_made_folders(grants: Grants, name: str) -> Grants:
    """Makes the folders that are granted for writing, for the user that the server will be. Raises `OSError`."""
    for path in grants.write:
        if not Path(path).exists():
            Path(path).mkdir(parents=True)
            if os.geteuid() == 0 and _has(_BECOMING):
                os.chown(path, _uid_of(name), _uid_of(name))
    return replace(grants, write=tuple(path for path in grants.write if path))


def _choose_user(name: str, needed: Sequence[str], grants: Grants, *, rebuilt: bool) -> _User:
    """Returns whom a root process becomes: nobody else's user, unless that would keep it from what it is granted.

    In a root that was `rebuilt` for it, the folders that lead to a path are open to everybody. Else it may keep root's
    right to read, since it is Landlock that says what it reads: the kernel does not count what root itself starts.
    """
    uid = _uid_of(name)
    if os.geteuid() != 0 or not _has(_BECOMING) or not all(_writable(path, uid) for path in grants.write):
        return _User(None)
    if all(_readable(path, rebuilt=rebuilt) for path in (*needed, *grants.read)):
        return _User(uid)
    return _User(None) if rebuilt or not _has(_REACHING) else _User(uid, reads_all=True)


def _has(rights: int) -> bool:
    """Tells whether root has these of its usual rights: in a container it may have none. See capabilities(7)."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return effective & rights == rights


def _uid_of(name: str) -> int:
    return _FIRST_UID + zlib.crc32(name.encode()) % _UIDS


def _readable(path: str, *, rebuilt: bool) -> bool:
    place = Path(path).resolve()
    if not place.exists():
        return True
    wanted = 0o005 if place.is_dir() else 0o004
    passable = rebuilt or all(folder.stat().st_mode & 0o001 for folder in place.parents)
    return passable and place.stat().st_mode & wanted == wanted


def _writable(path: str, uid: int) -> bool:
    about = Path(path).stat()
    return about.st_uid == uid or bool(about.st_mode & 0o002)


def _build_spec(grants: Grants, user: _User, parent: int) -> launcher.Spec:
    own = 0 if user.uid is not None else _tasks_of_this_user()
    return launcher.Spec(
        files=grants.file,
        memory=grants.memory,
        processes=own + grants.processes,
        uid=user.uid,
        reads_all=user.reads_all,
        parent=parent,
        families=[*(_INET if grants.network else ()), *([socket.AF_UNIX] if grants.sockets else ())],
        metadata=parent == 0 or bool(grants.write),
        landlock=False,
        listed=[],
        read=[],
        write=[],
    )


def _tasks_of_this_user() -> int:
    """Returns how many there are: the kernel counts them all against the limit, not those of the sandbox alone."""
    count = 0
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdecimal() and process.stat().st_uid == os.geteuid():
                count += sum(1 for _ in (process / "task").iterdir())
    return count


def _launcher(spec: launcher.Spec) -> tuple[str, ...]:
    return (str(Path(sys.executable).resolve()), "-I", "-S", launcher.__file__, json.dumps(spec))


def _program_paths(command: Sequence[str], env: Mapping[str, str]) -> Iterator[str]:
    """Yields what the program itself is made of: its folder, and of our own interpreter all that belongs to it."""
    if command[0] == sys.executable:
        yield from (sys.prefix, str(Path(sys.prefix).resolve()))
    elif found := shutil.which(command[0], path=env.get("PATH")):
        yield str(Path(found).parent)
        yield str(Path(found).resolve().parent)


def _unhidden(paths: Sequence[str], hidden: Sequence[str]) -> list[str]:
    """Returns the paths without the hidden ones: a folder that holds one is opened up into what else it holds."""
    shown: list[str] = []
    for path in paths:
        inside = [each for each in hidden if Path(each) != Path(path) and Path(each).is_relative_to(path)]
        if inside and Path(path).is_dir():
            shown += _unhidden([str(entry) for entry in sorted(Path(path).iterdir())], inside)
        elif path not in hidden:
            shown.append(path)
    return shown


def _size_of_group(group: int) -> int:
    """Returns how many processes are in it."""
    count = 0
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            count += process.name.isdecimal() and os.getpgid(int(process.name)) == group
    return count


def _size_of(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += Path(place, name).lstat().st_blocks * 512
    return size
