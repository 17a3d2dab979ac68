"""Reads files below a few allowed roots and nothing else: no links, devices or pipes, no way out.

A path is opened one component at a time relative to the root's own descriptor, with `O_NOFOLLOW`, so that a link that
is swapped in between check and open leads nowhere. Knows nothing of what the files mean.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a pipe nobody writes to must not wait
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OutsideRootsError(Exception):
    """The path is not a regular file below an allowed root, or is too big. The text says which."""


@dataclass(frozen=True)
class FoundFile:
    """A regular file below a root. `name` starts with the root's label and is what `open_file` takes."""

    name: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class _Root:
    label: str
    folder: Path
    only: str | None
    """The one file allowed, where the root is a file."""


class RootedFiles:
    """The files below some folders (or single files), named `<folder name>/<path in it>`."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots: dict[str, _Root] = {}
        for path in roots:
            self._add(Path(os.path.realpath(path)))

    @property
    def labels(self) -> list[str]:
        return list(self._roots)

    def walk(self, limit: int) -> Iterator[FoundFile]:
        """Yields at most `limit` regular files, in a stable order; links and hidden folders are passed over."""
        left = limit
        for root in self._roots.values():
            for found in _files_of(root):
                if left == 0:
                    return
                left -= 1
                yield found

    def open_file(self, name: str) -> int:
        """Returns a descriptor, open for reading, which the caller closes.

        Raises:
            OutsideRootsError: It is not a regular file below a root.
        """
        root, parts = self._locate(name)
        try:
            return _open_beneath(root.folder, parts)
        except (OSError, ValueError):
            raise OutsideRootsError(f"there is no readable file {name!r}") from None

    def read_file(self, name: str, limit: int) -> bytes:
        """Returns the whole file.

        Raises:
            OutsideRootsError: It is not a regular file below a root, or bigger than `limit` bytes.
        """
        with os.fdopen(self.open_file(name), "rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise OutsideRootsError(f"{name!r} is bigger than {limit} bytes")
        return content

    def _add(self, path: Path) -> None:
        label, count = path.name or "root", 1
        while label in self._roots:
            count += 1
            label = f"{path.name}-{count}"
        is_file = path.is_file()
        self._roots[label] = _Root(label, path.parent if is_file else path, path.name if is_file else None)

    def _locate(self, name: str) -> tuple[_Root, list[str]]:
        label, *inside = self._relative(name).split("/")
        root = self._roots.get(label)
        if root is not None and root.only is not None:
            inside = [root.only] if not inside else []
        if root is None or not inside or any(part in {"", ".", ".."} for part in inside):
            raise OutsideRootsError(f"there is no readable file {name!r}")
        return root, inside

    def _relative(self, name: str) -> str:
        """Turns an absolute path below a root into the name it has here; leaves every other name as it is."""
        for root in self._roots.values():
            if root.only is not None and name == str(root.folder / root.only):
                return root.label
            if root.only is None and name.startswith(f"{root.folder}/"):
                return root.label + name.removeprefix(str(root.folder))
        return name


def _open_beneath(folder: Path, parts: Sequence[str]) -> int:
    current = os.open(folder, _DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, _DIRECTORY, dir_fd=current)
            os.close(current)
            current = below
        file = os.open(parts[-1], _FILE, dir_fd=current)
    finally:
        os.close(current)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError("not a regular file")
    return file


def _files_of(root: _Root) -> Iterator[FoundFile]:
    if root.only is not None:
        with contextlib.suppress(OSError):
            yield _found(root.label, (root.folder / root.only).lstat())
        return
    for folder, folders, names in os.walk(root.folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(root.label, os.path.relpath(folder, root.folder))
        for name in sorted(names):
            with contextlib.suppress(OSError):  # gone since it was listed
                status = Path(folder, name).lstat()
                if stat.S_ISREG(status.st_mode):
                    yield _found((inside / name).as_posix(), status)


def _found(name: str, status: os.stat_result) -> FoundFile:
    return FoundFile(name, status.st_size, status.st_mtime_ns)
