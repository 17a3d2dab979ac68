"""Routing measured, as confusion matrices side by side: rows are what is right, columns what was planned."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
    """Draws one matrix for each trial, all with the same labels, so that they can be compared."""
    asked = {outcome.asked.label for outcomes in trials.values() for outcome in outcomes}
    planned = {_planned(outcome) for outcomes in trials.values() for outcome in outcomes}
    labels = sorted(asked | planned, key=lambda label: (label in (SEVERAL, _OTHERS), label == _OTHERS, label))
    side = 0.52 * len(labels) + 0.9
    figure, plots = build_figure(side * len(trials) + 1.2, side + 0.9, columns=len(trials))
    for plot, (name, outcomes) in zip(plots, trials.items(), strict=True):
        _draw(plot, labels, outcomes)
        plot.set_title(f"{name}: {accuracy(outcomes):.0%}", fontsize=11, color=INK, pad=10)
        plot.set_yticks(range(len(labels)), labels if plot is plots[0] else [""] * len(labels))
    plots[0].set_ylabel("right plan", color=FAINT)
    figure.supxlabel("planned", color=FAINT, fontsize=10)
    return Picture(figure)


def _planned(outcome: Outcome) -> str:
    if len(outcome.planned) == 1:
        return outcome.planned[0]
    return _OTHERS if outcome.asked.label == SEVERAL and not outcome.right else SEVERAL


def _draw(plot: Axes, labels: list[str], outcomes: Sequence[Outcome]) -> None:
    counts = Counter((outcome.asked.label, _planned(outcome)) for outcome in outcomes)
    asked = Counter(outcome.asked.label for outcome in outcomes)
    cells = [[to_rgba("#f8fafc")] * len(labels) for _ in labels]
    for (right, planned), count in counts.items():
        row, column, share = labels.index(right), labels.index(planned), count / asked[right]
        cells[row][column] = (_RIGHT if right == planned else _WRONG)(share)
        ink = PAPER if share > 0.5 else INK
        plot.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=10)
    plot.imshow(cells)
    plot.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    for line in range(1, len(labels)):
        plot.axhline(line - 0.5, color=PAPER, linewidth=2)
        plot.axvline(line - 0.5, color=PAPER, linewidth=2)
