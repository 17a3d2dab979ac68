"""Bubblewrap's command line: a root of its own with the least in it. https://github.com/containers/bubblewrap"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mcp_config.sandbox.grants import Grants

_SYSTEM: Final = ("/usr",)
_LINKED: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
"""Links into /usr on most systems, folders of their own on some."""
_ETC: Final = (
    "alternatives", "ca-certificates", "crypto-policies", "group", "hosts", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "nsswitch.conf", "passwd", "pki", "resolv.conf", "ssl", "timezone",
)  # fmt: skip
SYSTEM_PATHS: Final = (*_SYSTEM, *_LINKED, *(f"/etc/{name}" for name in _ETC))
"""What every program may read: the system's own files, and of its settings those that programs need."""


def build_bare_command(program: str) -> list[str]:
    """Returns the smallest sandbox there is, to see whether this machine lets it be made."""
    return [program, *_apart(network=False), *_system(), "--proc", "/proc", "--dev", "/dev", "true"]


def build_bwrap(program: str, grants: Grants, cwd: str, needed: Sequence[str]) -> list[str]:
    """Returns the words that go before the command. `needed` are paths that the command itself is made of."""
    words = [program, *_apart(network=grants.network), "--die-with-parent", "--new-session", *_system()]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--size", str(grants.file), "--tmpfs", "/tmp"]  # noqa: S108
    for path in _above([*needed, *grants.read, *grants.write, *grants.sockets, cwd]):
        words += ["--dir", path]  # said aloud, or nobody but root could pass through them
    for path in (*needed, *grants.read):
        words += ["--ro-bind-try", path, path]
    for path in (*grants.write, *grants.sockets):
        words += ["--bind-try", path, path]
    for path in grants.hide:
        if Path(path).is_dir():
            words += ["--tmpfs", path, "--remount-ro", path]
        elif Path(path).exists():
            words += ["--ro-bind", "/dev/null", path]
    # what holds all this together is memory without a bound of its own
    return [*words, "--dir", cwd, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", cwd, "--"]


def _above(paths: Sequence[str]) -> list[str]:
    """Returns the folders that lead to the paths, outermost first, without those that are there anyway."""
    folders = {str(folder) for path in paths for folder in Path(path).parents}
    return sorted(folder for folder in folders - {"/", "/tmp"} if not Path(folder).is_relative_to("/usr"))  # noqa: S108


def _apart(*, network: bool) -> Iterator[str]:
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL")
    if not network:
        yield "--unshare-net"
    if os.geteuid() == 0:
        # a namespace of users would map root alone: it is the launcher that gives root up
        yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP")
    else:
        yield from ("--unshare-user", "--disable-userns")


def _system() -> Iterator[str]:
    for path in _SYSTEM:
        yield from ("--ro-bind", path, path)
    for path in _LINKED:
        if Path(path).is_symlink():
            yield from ("--symlink", str(Path(path).readlink()), path)
        else:
            yield from ("--ro-bind-try", path, path)
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
