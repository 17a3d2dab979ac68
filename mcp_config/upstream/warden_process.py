"""Ends what servers started when the product is gone. Run by `warden.py`, as a process; standard library only.

It reads `+<group> <mark>` and `-<group> <mark>` lines. When its stdin ends or its parent changes, it kills the groups
left, and what has left them: a process may begin a session of its own and be nobody's child, its mark stays with it.
"""

import contextlib
import os
import select
import signal
import sys
from pathlib import Path
from typing import Final

MARK: Final = "OPEN_AGENT_SERVER"
"""The variable that says which start of a server a process comes from. It is no secret, and gives no rights."""
_PROC: Final = Path("/proc")
_ROUNDS: Final = 5
"""So often what is killed may have started another process meanwhile."""


def main() -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    left = [line.split() for line in _groups_left(os.getppid())]
    for group, _ in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(group), signal.SIGKILL)
    kill_marked({mark for _, mark in left})


def kill_marked(marks: set[bytes]) -> None:
    """Kills every process that has one of the marks. Where the system does not show environments, none is found."""
    for _ in range(_ROUNDS):
        if not (found := _find_marked(marks)):
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _find_marked(marks: set[bytes]) -> list[int]:
    if not marks or not _PROC.is_dir():
        return []
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal() and _mark_of(entry) in marks]


def _mark_of(process: Path) -> bytes | None:
    with contextlib.suppress(OSError):  # it has ended, or is another user's
        for variable in (process / "environ").read_bytes().split(b"\0"):
            if variable.startswith(f"{MARK}=".encode()):
                return variable.partition(b"=")[2]
    return None


def _groups_left(parent: int) -> set[bytes]:
    groups: set[bytes] = set()
    rest = b""
    while os.getppid() == parent:
        # the parent is looked at as well: another process might hold the pipe open
        if not select.select([sys.stdin.fileno()], [], [], 1.0)[0]:
            continue
        read = os.read(sys.stdin.fileno(), 4096)
        if not read:
            break
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            (groups.add if line[:1] == b"+" else groups.discard)(line[1:])
    return groups


if __name__ == "__main__":
    main()
