"""What a benchmark has measured, beside the bound that must hold."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    what: str
    value: float
    unit: str
    at_most: float | None = None
    """None where there is nothing to hold: the number alone is of interest."""

    @property
    def holds(self) -> bool:
        return self.at_most is None or self.value <= self.at_most

    @property
    def line(self) -> str:
        bound = "" if self.at_most is None else f"   at most {self.at_most:g}{'' if self.holds else ': EXCEEDED'}"
        return f"{self.what:<72}{self.value:>9.2f} {self.unit:<8}{bound}".rstrip()


def show(rows: Sequence[Measured]) -> int:
    """Prints a line for each, and returns the exit code."""
    sys.stdout.write("".join(f"{row.line}\n" for row in rows))
    return 0 if all(row.holds for row in rows) else 1
