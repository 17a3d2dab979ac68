"""Paper and colours of the pictures. Draws without a display, a browser or a network."""

import io
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK: Final = "#1f2937"
FAINT: Final = "#94a3b8"
PAPER: Final = "#ffffff"
PLAN: Final = "#7c3aed"
AGENT: Final = "#0f766e"
SYNTHESIS: Final = "#c2410c"
TOOL: Final = "#2563eb"
WRONG: Final = "#dc2626"


@dataclass(frozen=True)
class Picture:
    """A figure that a notebook shows by itself, as a small PNG."""

    figure: Figure
    dpi: int = 110

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=self.dpi, facecolor=PAPER, bbox_inches="tight", pad_inches=0.15)
        return file.getvalue()


def build_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Returns a figure with `columns` plots side by side, without frames."""
    figure = Figure(figsize=(width, height), layout="constrained")
    plots = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for plot in plots:
        plot.tick_params(length=0, labelsize=9, colors=INK)
        for side in plot.spines.values():
            side.set_visible(False)
    return figure, plots
