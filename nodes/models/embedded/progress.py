"""How a long fetch tells how far it is: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from typing_extensions import override

_STEP_PERCENT: Final = 10

_log = logging.getLogger(__name__)


class Meter(Protocol):
    def say(self, line: str) -> None:
        """Tells one thing to a person."""

    def show(self, done: int, total: int) -> None:
        """Tells how many bytes are done. Raises whatever shall stop the work."""


class LineMeter:
    """Plain lines, for logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown = -1

    def say(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()

    def show(self, done: int, total: int) -> None:
        step = done * 100 // total // _STEP_PERCENT
        if step != self._shown:
            self._shown = step
            self.say(f"  {step * _STEP_PERCENT} % of {total / 1e6:,.0f} MB")


class LogMeter(LineMeter):
    """The same lines in the product's log, for logs that hold nothing else."""

    @override
    def say(self, line: str) -> None:
        _log.info(line.strip())


class BarMeter:
    """A bar that stays at the bottom of a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("model", total=None)

    def say(self, line: str) -> None:
        self._progress.console.print(line, highlight=False)

    def show(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)


@contextmanager
def open_meter(out: TextIO | None = None, *, as_log: bool = False) -> Iterator[Meter]:
    """Yields the meter that suits `out`, by default stderr."""
    stream = out or sys.stderr
    if as_log:
        yield LogMeter(stream)
        return
    if not stream.isatty():
        yield LineMeter(stream)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream)) as progress:
        yield BarMeter(progress)
