"""The tools on log files: which there are, and the last lines of one. Only below the allowed folders."""

import os
import time
from typing import Annotated, Final

from pydantic import Field

from mcp_config.servers.readable import clip_lines, format_bytes, format_duration
from mcp_config.servers.rooted_files import FoundFile, OutsideRootsError, RootedFiles
from mcp_config.servers.serving import RefusedError

_MAX_FILES: Final = 5_000
_MAX_LISTED: Final = 40
_MAX_LINES: Final = 200
_MAX_CHARACTERS: Final = 4_000
_MAX_LINE: Final = 500
_TAIL_BYTES: Final = 4 * 2**20
"""How far back from its end a log is read."""
_PACKED: Final = (".gz", ".xz", ".bz2", ".zst", ".zip", ".journal")
_NO_FOLDERS: Final = "No log folder is allowed yet: set LOG_FOLDERS to the folders whose logs may be read."


class LogTools:
    def __init__(self, files: RootedFiles) -> None:
        self._files = files

    def list_logs(self) -> str:
        """Lists the log files that can be read, newest first, with size and age."""
        if not self._files.labels:
            raise RefusedError(_NO_FOLDERS)
        found = [file for file in self._files.walk(_MAX_FILES) if not file.name.endswith(_PACKED)]
        found.sort(key=lambda file: file.modified_ns, reverse=True)
        rest = [f"… {len(found) - _MAX_LISTED} more files"] if len(found) > _MAX_LISTED else []
        return "\n".join([*map(_describe, found[:_MAX_LISTED]), *rest]) or "There are no log files."

    def tail_log(
        self,
        path: Annotated[str, Field(description="Log file as `list_logs` names it")],
        lines: Annotated[int, Field(description="How many lines, at most 200")] = 30,
        contains: Annotated[str, Field(description="Only lines with this text, in any case")] = "",
    ) -> str:
        """Shows the last lines of a log file, the newest last."""
        if not self._files.labels:
            raise RefusedError(_NO_FOLDERS)
        text, cut = self._read_tail(path)
        every = text.splitlines()[1:] if cut else text.splitlines()
        matching = [line for line in every if contains.lower() in line.lower()]
        wanted = [_shorten(line) for line in matching[-min(max(lines, 1), _MAX_LINES) :]]
        kept, _ = clip_lines(reversed(wanted), _MAX_CHARACTERS)
        earlier = len(matching) - len(kept)
        notes = [f"… {earlier} earlier lines" + (" in the part that was read" if cut else "")] if earlier or cut else []
        return "\n".join([*notes, *reversed(kept)]) or "No lines."

    def _read_tail(self, path: str) -> tuple[str, bool]:
        try:
            with os.fdopen(self._files.open_file(path.strip()), "rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
                file.seek(start)
                content = file.read(_TAIL_BYTES)
        except OutsideRootsError as refusal:
            raise RefusedError(f"{refusal}; see `list_logs`") from None
        if b"\0" in content:
            raise RefusedError(f"{path!r} is not a text file")
        return content.decode(errors="replace"), start > 0


def _describe(file: FoundFile) -> str:
    age = format_duration(time.time() - file.modified_ns / 1e9)
    return f"{file.name} ({format_bytes(file.size)}, changed {age} ago)"


def _shorten(line: str) -> str:
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}… ({len(line) - _MAX_LINE} more characters)"
