"""What Prometheus is told: counts and durations of committed events. A pure consumer of the log, with no user text."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, assert_never

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from graph.events import (
    ApprovalRequested,
    ApprovalResolved,
    ModelDelta,
    PlanCreated,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
    run_events,
)
from nodes.models.port import Usage as Tokens
from server.db.feed import LoggedEvent

_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Health(Protocol):
    """How one model or tool server is."""

    @property
    def state(self) -> str: ...


@dataclass
class _Underway:
    """A run whose end has not been seen."""

    agent_id: str
    started: datetime
    has_spoken: bool = False


class Metrics:
    """Counts since this process started. Runs that began before it are counted at their end, but not timed."""

    def __init__(self, parts: Mapping[str, Callable[[], Mapping[str, Health]]], readers: Callable[[], int]) -> None:
        """`parts` gives, for `model` and `mcp_server`, how each is now; `readers` counts who follows a run."""
        self._registry = CollectorRegistry()
        self._underway: dict[str, _Underway] = {}
        self._runs = self._counter("runs", "Runs that ended, by agent and status.", "agent", "status")
        self._run_seconds = self._histogram("run_seconds", "From the start of a run to its end.")
        self._first_token = self._histogram("first_token_seconds", "From the start of a run to its first answer token.")
        self._calls = self._counter("tool_calls", "Tool calls that ended, by tool and status.", "tool", "status")
        self._steps = self._counter("steps", "Steps that ended, by status.", "status")
        self._resumed = self._counter("runs_resumed", "Runs that went on after a stop or a crash.")
        self._tokens = self._counter("tokens", "Tokens that model calls of ended runs took.", "direction")
        following = Gauge("readers", "Streams that are open now.", namespace="open_agent", registry=self._registry)
        following.set_function(readers)
        self._summaries = self._counter("summary_tokens", "Tokens that summaries took, beside all runs.", "direction")
        self._registry.register(_Parts(parts))

    def observe(self, run_id: str, events: Sequence[LoggedEvent]) -> None:
        """Takes in what was just committed. Quick, and never raises."""
        for logged in events:
            underway = self._underway.get(run_id)
            if logged.type != "model.delta" or (underway and not underway.has_spoken):
                self._take(run_id, run_events.validate_json(logged.json), underway)

    def count_summary(self, usage: Tokens) -> None:
        """Takes in what the summary of a conversation took: it belongs to no run."""
        self._summaries.labels("input").inc(usage.input_tokens)
        self._summaries.labels("output").inc(usage.output_tokens)

    def expose(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _take(self, run_id: str, event: RunEvent, underway: _Underway | None) -> None:
        match event:
            case RunStarted():
                self._underway[run_id] = _Underway(event.agent_id, event.at)
            case ModelDelta():
                self._hear(event, underway)
            case ToolCallResult():
                self._calls.labels(event.tool, event.status).inc()
            case StepCompleted():
                self._steps.labels("completed").inc()
            case StepFailed():
                self._steps.labels("failed").inc()
            case RunResumed():
                self._resumed.inc()
            case RunCompleted() | RunFailed() | RunCancelled():
                self._end(event, underway)
            case PlanCreated() | StepStarted() | ToolCallStarted() | ApprovalRequested() | ApprovalResolved():
                pass
            case _:
                assert_never(event)

    def _hear(self, event: ModelDelta, underway: _Underway | None) -> None:
        if underway and event.channel == "answer":
            underway.has_spoken = True
            self._first_token.observe((event.at - underway.started).total_seconds())

    def _end(self, event: RunCompleted | RunFailed | RunCancelled, underway: _Underway | None) -> None:
        self._underway.pop(event.run_id, None)
        self._runs.labels(underway.agent_id if underway else "", event.type.removeprefix("run.")).inc()
        self._tokens.labels("input").inc(event.usage.input_tokens)
        self._tokens.labels("output").inc(event.usage.output_tokens)
        if underway:
            self._run_seconds.observe((event.at - underway.started).total_seconds())

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, namespace="open_agent", registry=self._registry)

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, namespace="open_agent", buckets=_SECONDS, registry=self._registry)


class _Parts(Collector):
    """Asks models and tool servers how they are, at each scrape."""

    def __init__(self, parts: Mapping[str, Callable[[], Mapping[str, Health]]]) -> None:
        self._parts = parts

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        for part, healths in self._parts.items():
            yield _gauge(part, healths().items())


def _gauge(part: str, healths: Iterable[tuple[str, Health]]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"open_agent_{part}_up", f"1 where the {part} is ready, by name.", labels=["name"])
    for name, health in healths:
        gauge.add_metric([name], float(health.state in ("ready", "degraded")))
    return gauge
