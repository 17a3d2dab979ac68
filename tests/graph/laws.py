"""The laws of a run's log, checked over whatever a test has made happen."""

from collections.abc import Sequence
from itertools import pairwise

from graph.events import (
    TERMINAL,
    ApprovalRequested,
    ApprovalResolved,
    ModelDelta,
    RunCompleted,
    RunEvent,
    RunFailed,
    StepCompleted,
    StepFailed,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
    Usage,
)
from mcp_config.tools import ELICITATION


def check_laws(log: Sequence[RunEvent]) -> None:
    """Raises `AssertionError` when the log of an ended run breaks a law."""
    numbered = [event.model_copy(update={"seq": seq}) for seq, event in enumerate(log, start=1)]
    types = [event.type for event in numbered]
    assert types[0] == "run.started"
    assert types.count("run.started") == 1
    assert [kind in TERMINAL for kind in types] == [False] * (len(types) - 1) + [True]
    _check_attempts(numbered)
    _check_steps(numbered)
    _check_calls(numbered)
    _check_approvals(numbered)
    _check_words(numbered)
    _check_usage(numbered)


def _check_attempts(log: Sequence[RunEvent]) -> None:
    attempts = [event.attempt for event in log]
    assert attempts == sorted(attempts)
    for before, event in pairwise(log):
        assert (event.type == "run.resumed") == (event.attempt > before.attempt)


def _check_steps(log: Sequence[RunEvent]) -> None:
    """A step that is at work has started in this very attempt, is not started twice, and is closed in the end.

    An attempt that only ends the run closes what the one before left open.
    """
    open_steps: dict[str, int] = {}
    for event in log:
        match event:
            case StepStarted():
                assert open_steps.get(event.step_id) != event.attempt, f"{event.step_id} started twice"
                open_steps[event.step_id] = event.attempt
            case StepCompleted():
                assert open_steps.pop(event.step_id) == event.attempt
            case StepFailed():
                assert open_steps.pop(event.step_id) <= event.attempt
            case ModelDelta() | ToolCallStarted() | ToolCallResult() | ApprovalRequested():
                assert open_steps[event.step_id] == event.attempt
    assert not open_steps


def _check_calls(log: Sequence[RunEvent]) -> None:
    started = [event.call_id for event in log if isinstance(event, ToolCallStarted)]
    ended = [event.call_id for event in log if isinstance(event, ToolCallResult)]
    assert set(started) == set(ended)
    assert len(ended) == len(set(ended)), "a call ends once"


def _check_approvals(log: Sequence[RunEvent]) -> None:
    """A call is asked about once, before it starts, and answered at most once. Its server asks while it is at work."""
    asked: dict[str, str] = {}
    answered: list[str] = []
    started: set[str] = set()
    for event in log:
        match event:
            case ToolCallStarted():
                started.add(event.call_id)
            case ApprovalRequested():
                assert (event.call_id in started) == (event.rule == ELICITATION)
                assert event.approval_id not in asked
                asked[event.approval_id] = event.call_id
            case ApprovalResolved():
                assert event.approval_id in asked
                answered.append(event.approval_id)
            case _:
                pass
    assert len(answered) == len(set(answered))


def _check_words(log: Sequence[RunEvent]) -> None:
    """A step's output is exactly what its last attempt streamed."""
    for done in log:
        if isinstance(done, StepCompleted):
            said = [
                event.delta
                for event in log
                if isinstance(event, ModelDelta)
                and (event.step_id, event.attempt) == (done.step_id, done.attempt)
                and event.channel != "reasoning"
            ]
            kinds = {event.kind for event in log if isinstance(event, StepStarted) and event.step_id == done.step_id}
            assert kinds == {"plan"} or "".join(said) == done.output


def _check_usage(log: Sequence[RunEvent]) -> None:
    """Steps add up to the run; what a failed step took is in the run's usage and in its row, not in its event."""
    last = {event.step_id: event.usage for event in log if isinstance(event, StepCompleted)}
    failed = any(isinstance(event, StepFailed) for event in log)
    end = log[-1]
    if isinstance(end, RunCompleted | RunFailed):
        told = sum(last.values(), Usage()).total_tokens
        assert told <= end.usage.total_tokens if failed else told == end.usage.total_tokens
