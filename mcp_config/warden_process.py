"""Ends process groups when the product is gone. Run by `warden.py` as a process of its own; standard library only.

It reads `+<group>` and `-<group>` lines. When its stdin ends or its parent changes, it kills the groups left.
"""

import os
import select
import signal
import sys


def main() -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    for group in _groups_left(os.getppid()):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _groups_left(parent: int) -> set[int]:
    groups: set[int] = set()
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
            (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    return groups


if __name__ == "__main__":
    main()
