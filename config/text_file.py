"""Reads a file that a person wrote. Knows nothing of what is in it."""

from pathlib import Path
from typing import Final

from config.checkout import shown_path
from config.errors import MissingFile, UnreadableFile

MAX_BYTES: Final = 1_000_000
"""More than any configuration that people write; less than what would hold up a start."""


def load_text(path: Path) -> str:
    """Returns the text of a UTF-8 file, with or without a byte-order mark.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too big, not UTF-8, or may not be read.
    """
    name = shown_path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise MissingFile(f"{name}: there is no such file") from None
    except OSError as error:
        raise UnreadableFile(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UnreadableFile(f"{name}: is over {MAX_BYTES // 1_000_000} MB; configuration is smaller than that")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"{name}:{line}: is not UTF-8 text; save it as UTF-8") from None
