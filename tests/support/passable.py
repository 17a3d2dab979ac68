"""Running something as a user who may not even pass through the folders that lead to it, such as /root."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mcp_config.sandbox.probe import find_bwrap

_NOBODY = "65534"


def as_nobody(command: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Returns a command that root runs: the same, without any right. `needed` are what it must be able to read."""
    program = find_bwrap()
    assert program is not None
    closed = {str(folder) for path in needed if (folder := _closed_above(Path(path)))}
    words = [program, "--dev-bind", "/", "/"]
    for place in sorted(closed):
        words += ["--perms", "0755", "--tmpfs", place]
    for path in needed:
        if _closed_above(Path(path)):
            words += [*_folders(Path(path), closed), "--ro-bind", path, path]
    return [*words, "setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups", *command]


def _folders(path: Path, closed: set[str]) -> Iterator[str]:
    for folder in reversed(path.parents):
        if any(folder.is_relative_to(each) and str(folder) != each for each in closed):
            yield from ("--dir", str(folder))


def _closed_above(path: Path) -> Path | None:
    """Returns the outermost folder above that not everybody may pass through."""
    above = reversed(path.resolve().parents)
    return next((folder for folder in above if not folder.stat().st_mode & 0o001), None)
