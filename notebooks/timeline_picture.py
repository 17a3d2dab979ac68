"""A run's events as a timeline: a bar for each step, its tool calls in it, and where the first word came."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from matplotlib.axes import Axes

from graph.events import (
    ModelDelta,
    RunEvent,
    StepCompleted,
    StepFailed,
    StepKind,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
)
from notebooks.canvas import AGENT, FAINT, PLAN, SYNTHESIS, TOOL, WRONG, Picture, build_figure

_COLOURS: Final[dict[StepKind, str]] = {"plan": PLAN, "agent": AGENT, "synthesis": SYNTHESIS}
_NAMES: Final[dict[StepKind, str]] = {"plan": "router plans", "agent": "", "synthesis": "synthesis"}


@dataclass
class _Span:
    label: str
    colour: str
    begin: float
    end: float


@dataclass
class _Row(_Span):
    calls: dict[str, _Span] = field(default_factory=dict)
    words: list[float] = field(default_factory=list)
    """When it said something."""


def draw_timeline(events: Sequence[RunEvent]) -> Picture:
    """Draws the steps of one run, in the order they began, over the seconds since it started."""
    rows = _rows(events)
    figure, (plot,) = build_figure(8.6, 0.85 * len(rows) + 1.0)
    for place, row in enumerate(rows):
        _draw_row(plot, place, row)
    last = _seconds(events, events[-1].at)
    plot.set_yticks(range(len(rows)), [row.label for row in rows])
    plot.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, last * 1.02 or 1))
    plot.set_xlabel("seconds since the run started", color=FAINT, fontsize=9)
    plot.grid(axis="x", color="#e2e8f0", linewidth=0.8)
    plot.set_axisbelow(True)
    return Picture(figure)


def _rows(events: Sequence[RunEvent]) -> list[_Row]:
    rows: dict[str, _Row] = {}
    now = _seconds(events, events[-1].at)
    for event in events:
        at = _seconds(events, event.at)
        match event:
            case StepStarted():
                label = _NAMES[event.kind] or event.agent
                rows[event.step_id] = _Row(label, _COLOURS[event.kind], at, now)
            case ModelDelta(channel="answer" | "work"):
                rows[event.step_id].words.append(at)
            case ToolCallStarted():
                rows[event.step_id].calls[event.call_id] = _Span(event.tool, TOOL, at, now)
            case ToolCallResult():
                call = rows[event.step_id].calls[event.call_id]
                call.end, call.colour = at, TOOL if event.status == "ok" else WRONG
            case StepCompleted() | StepFailed():
                rows[event.step_id].end = at
            case _:
                pass  # what is not drawn
    return list(rows.values())


def _draw_row(plot: Axes, place: int, row: _Row) -> None:
    plot.barh(place, row.end - row.begin, left=row.begin, height=0.56, color=row.colour, alpha=0.25)
    plot.vlines(row.words, place - 0.28, place + 0.28, color=row.colour, linewidth=0.8, alpha=0.6)
    for number, call in enumerate(row.calls.values()):
        above = number % 2 == 0  # calls in a row lie close to each other: their names take turns
        plot.barh(place, call.end - call.begin, left=call.begin, height=0.56, color=call.colour, edgecolor=call.colour)
        plot.annotate(
            call.label, (call.begin, place - 0.28 if above else place + 0.28), xytext=(0, 3 if above else -3),
            textcoords="offset points", va="bottom" if above else "top", fontsize=8, color=call.colour,
        )  # fmt: skip


def _seconds(events: Sequence[RunEvent], moment: datetime) -> float:
    return (moment - events[0].at).total_seconds()
