"""Turns sizes, times and tables into short text that people and small models read well. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def format_bytes(size: float) -> str:
    """Returns a size such as `512 B` or `12.3 GiB` (the numbers of `df -h`)."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def format_duration(seconds: float) -> str:
    """Returns a time span in its two largest units, such as `3 d 4 h`."""
    left = max(0, int(seconds))
    parts = []
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def format_cell(value: object, width: int) -> str:
    """Returns one table cell on one line, cut to `width` characters."""
    text = "NULL" if value is None else f"{value:.10g}" if isinstance(value, float) else _plain(value)
    line = " ".join(text.split()) if "\n" in text or "\t" in text else text
    return line if len(line) <= width else f"{line[:width]}… ({len(line) - width} more characters)"


def clip_lines(lines: Iterable[str], limit: int) -> tuple[list[str], int]:
    """Returns the first lines that fit into `limit` characters together, and how many did not fit.

    The first line is always there, cut if it must be.
    """
    kept: list[str] = []
    room, left_out = limit, 0
    for line in lines:
        room -= len(line) + 1
        if room < 0 and not kept:
            kept.append(f"{line[:limit]}… ({len(line) - limit} more characters)")
        elif room < 0:
            left_out += 1
        else:
            kept.append(line)
    return kept, left_out


def join_cells(cells: Sequence[str]) -> str:
    return " | ".join(cells)


def _plain(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(bytes(value))} bytes of binary)"
    return str(value)
