"""What commands print: tables that fit the terminal, and JSON for scripts."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, JsonValue
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

_WIDE: Final = 160
"""Columns where no terminal says how many: lines in a file or a pipe are not to be cut at 80."""
_LEAST_FOLDED: Final = 24
"""Columns that a text needs to be folded into and still be read."""


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


def print_listing(table: Table, empty: str) -> None:
    """Prints it; where the terminal is too narrow for it, each row becomes a paragraph; `empty` stands for no rows."""
    console = open_console()
    if not table.row_count:
        console.print(empty)
    elif _width_of(table.columns) <= console.width:
        console.print(table)
    else:
        for row in zip(*(column.cells for column in table.columns), strict=True):
            console.print(_build_paragraph(table.columns, row))


def _width_of(columns: Sequence[Column]) -> int:
    """Returns how many columns of the terminal it takes; the last of its own can be folded."""
    *kept, last = [max(_text(cell).cell_len for cell in (column.header, *column.cells)) for column in columns]
    return sum(kept) + 2 * len(kept) + min(last, _LEAST_FOLDED)


def _build_paragraph(columns: Sequence[Column], row: Sequence[RenderableType]) -> Group:
    """Returns what the first cell says, and below it what the others say, under their names."""
    first, *others = map(_text, row)
    told = [
        Text.assemble((_text(column.header).plain.lower(), "dim"), " ", cell)
        for column, cell in zip(columns[1:], others, strict=True)
    ]
    return Group(first, Padding(Text(" · ").join(told), (0, 0, 0, 2)))


def _text(cell: RenderableType) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell))


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
