"""What commands print: tables that fit the terminal, and JSON for scripts."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, JsonValue
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE: Final = 160
"""Columns where no terminal says how many: lines in a file or a pipe are not to be cut at 80."""


def open_console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=_WIDE)


def build_table(*columns: str) -> Table:
    """Returns a table without frames; the last column takes what room is left, the others are kept whole."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table


def print_json(value: BaseModel | Sequence[BaseModel | Mapping[str, str]] | JsonValue) -> None:
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def safe(text: str) -> str:
    """Returns the text without anything that a terminal would obey: it comes from models and from tools."""
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")


def one_line(value: str, limit: int = 400) -> str:
    line = " ".join(safe(value).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shown_arguments(arguments: dict[str, JsonValue]) -> str:
    """Returns a tool call's arguments as people would write them."""
    pairs = (f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments.items())
    return one_line(" ".join(pairs))


def shown_moment(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "-"


def shown_span(start: datetime | None, end: datetime | None) -> str:
    """Returns how long something took, or is taking."""
    if start is None:
        return "-"
    seconds = ((end or datetime.now(UTC)) - start).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60):02} s"


def shown_status(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))


_STYLES: Final = {
    "completed": "green",
    "ok": "green",
    "running": "cyan",
    "queued": "cyan",
    "requires_action": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "error": "red",
    "denied": "red",
    "timeout": "red",
    "unknown": "red",
}
