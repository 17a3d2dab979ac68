"""Routing measured, as confusion matrices side by side: rows are what is right, columns what was planned."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba

from notebooks.canvas import AGENT, FAINT, INK, PAPER, WRONG, Picture, build_figure
from server.cli.eval import SEVERAL, Outcome, accuracy

_OTHERS: Final = "other steps"
"""Several steps, but not the right ones."""
_RIGHT: Final = LinearSegmentedColormap.from_list("right", ["#ccfbf1", AGENT])
_WRONG: Final = LinearSegmentedColormap.from_list("wrong", ["#fee2e2", WRONG])


def draw_confusions(trials: Mapping[str, Sequence[Outcome]]) -> Picture:
    """Draws one matrix for each trial, all with the same rows and columns, so that they can be compared."""
    rows = _sorted(outcome.asked.label for outcomes in trials.values() for outcome in outcomes)
    others = _sorted(_planned(outcome) for outcomes in trials.values() for outcome in outcomes)
    columns = [*rows, *(label for label in others if label not in rows)]
    figure, plots = build_figure(
        (0.5 * len(columns) + 0.5) * len(trials) + 1.6, 0.5 * len(rows) + 2.0, columns=len(trials)
    )
    for plot, (name, outcomes) in zip(plots, trials.items(), strict=True):
        _draw(plot, rows, columns, outcomes)
        plot.set_title(f"{name}: {accuracy(outcomes):.0%}", fontsize=11, color=INK, pad=10)
        plot.set_yticks(range(len(rows)), rows if plot is plots[0] else [""] * len(rows))
    plots[0].set_ylabel("right plan", color=FAINT)
    figure.supxlabel("planned", color=FAINT, fontsize=10)
    return Picture(figure)


def _sorted(labels: Iterable[str]) -> list[str]:
    return sorted(set(labels), key=lambda label: (label == SEVERAL, label))


def _planned(outcome: Outcome) -> str:
    if len(outcome.planned) == 1:
        return outcome.planned[0]
    return _OTHERS if outcome.asked.label == SEVERAL and not outcome.right else SEVERAL


def _draw(plot: Axes, rows: list[str], columns: list[str], outcomes: Sequence[Outcome]) -> None:
    counts = Counter((outcome.asked.label, _planned(outcome)) for outcome in outcomes)
    asked = Counter(outcome.asked.label for outcome in outcomes)
    cells = [[to_rgba("#f8fafc")] * len(columns) for _ in rows]
    for (right, planned), count in counts.items():
        row, column, share = rows.index(right), columns.index(planned), count / asked[right]
        cells[row][column] = (_RIGHT if right == planned else _WRONG)(share)
        ink = PAPER if share > 0.5 else INK
        plot.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=10)
    plot.imshow(cells)
    plot.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    for line in range(1, len(rows)):
        plot.axhline(line - 0.5, color=PAPER, linewidth=2)
    for line in range(1, len(columns)):
        plot.axvline(line - 0.5, color=PAPER, linewidth=2)
