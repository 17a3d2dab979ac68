"""The compiled graph as a picture: every node and every edge that LangGraph knows, laid out for this topology."""

from collections.abc import Iterable
from typing import Any, Final

from langgraph.graph.state import CompiledStateGraph
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from notebooks.canvas import AGENT, FAINT, INK, PAPER, PLAN, SYNTHESIS, Picture, build_figure

Place = tuple[float, float]
_FIXED: Final[dict[str, Place]] = {
    "__start__": (0, 0),
    "dispatch": (2.2, 0),
    "router": (2.2, 1.7),
    "synthesis": (2.2, -1.7),
    "__end__": (0, -1.7),
}
_COLOURS: Final = {"router": PLAN, "synthesis": SYNTHESIS, "dispatch": INK, "__start__": FAINT, "__end__": FAINT}
_AGENTS_AT: Final = 5.0
_ROW: Final = 0.85
_BOX: Final = (1.5, 0.52)
_LABELS: Final = {"__start__": "start", "__end__": "end"}


def draw_graph(graph: CompiledStateGraph[Any, Any, Any, Any]) -> Picture:
    """Draws the nodes and edges of a compiled open-agent graph; its agents stand in the column on the right."""
    drawn = graph.get_graph()
    places = _place(drawn.nodes)
    heights = [y for _, y in places.values()]
    width, height = _AGENTS_AT + _BOX[0] + 0.4, max(heights) - min(heights) + 1
    figure, (plot,) = build_figure(width, height)
    plot.set(xlim=(-1, width - 1), ylim=(min(heights) - 0.5, max(heights) + 0.5), xticks=[], yticks=[], aspect="equal")
    boxes = {name: _box(plot, name, place) for name, place in places.items()}
    ways = {(edge.source, edge.target) for edge in drawn.edges}
    for source, target in sorted(ways):
        both = (target, source) in ways
        if not both or source < target:
            style = "<|-|>" if both else "-|>"
            arrow = FancyArrowPatch(
                places[source], places[target], patchA=boxes[source], patchB=boxes[target],
                arrowstyle=style, mutation_scale=11, color=FAINT, linewidth=1.2, shrinkA=3, shrinkB=3,
            )  # fmt: skip
            plot.add_patch(arrow)
    return Picture(figure)


def _place(nodes: Iterable[str]) -> dict[str, Place]:
    agents = [name for name in nodes if name not in _FIXED]
    top = _ROW * (len(agents) - 1) / 2
    column = {name: (_AGENTS_AT, top - _ROW * row) for row, name in enumerate(agents)}
    return {name: _FIXED[name] for name in nodes if name in _FIXED} | column


def _box(plot: Axes, name: str, place: Place) -> FancyBboxPatch:
    x, y = place
    width, height = _BOX
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height,
        boxstyle="round,pad=0,rounding_size=0.16", facecolor=_COLOURS.get(name, AGENT), edgecolor="none",
    )  # fmt: skip
    plot.text(x, y - 0.02, _LABELS.get(name, name), ha="center", va="center", fontsize=10.5, color=PAPER)
    plot.add_patch(box)
    return box
