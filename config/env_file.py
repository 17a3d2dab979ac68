"""Reads a `.env` file into names, values and line numbers. Reads no environment and judges no names."""

import io
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from config.checkout import shown_path
from config.errors import InvalidFile, MissingFile, Mistake
from config.text_file import load_text


@dataclass(frozen=True)
class EnvEntry:
    name: str
    value: str
    line: int


def load_env_file(path: Path) -> list[EnvEntry]:
    """Returns the entries of a `.env` file; a file that is not there has none.

    Values are taken as written: `${NAME}` is not expanded, so a secret never moves from its own line into another
    setting.

    Raises:
        UnreadableFile: it is too big, not UTF-8, or may not be read.
        InvalidFile: a line is not `NAME=value`, or a name is given twice.
    """
    try:
        text = load_text(path)
    except MissingFile:
        return []
    return _entries(path, [binding for binding in parse_stream(io.StringIO(text)) if not _is_blank(binding)])


def _is_blank(binding: Binding) -> bool:
    return binding.key is None and not binding.error


def _entries(path: Path, bindings: list[Binding]) -> list[EnvEntry]:
    entries: dict[str, EnvEntry] = {}
    mistakes = []
    for binding in bindings:
        line = _line(binding)
        if binding.error or binding.key is None or binding.value is None:
            mistakes.append(Mistake(shown_path(path), line, "", "expected NAME=value"))
        elif first := entries.get(binding.key):
            mistakes.append(Mistake(shown_path(path), line, binding.key, f"is given already on line {first.line}"))
        else:
            entries[binding.key] = EnvEntry(binding.key, binding.value, line)
    if mistakes:
        raise InvalidFile(mistakes)
    return list(entries.values())


def _line(binding: Binding) -> int:
    # The parser counts the blank lines before a binding as part of it.
    written = binding.original.string
    return binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
