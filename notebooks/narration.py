"""A run told as it happens: a line for each fact, and the model's words as they come."""

from graph.events import (
    ModelDelta,
    PlanCreated,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    StepFailed,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
)


def tell(event: RunEvent) -> None:
    """Prints what the event says to a person; the words of intermediate steps are left out."""
    match event:
        case StepStarted(kind="agent"):
            _line(f"▶ {event.agent}: {event.task}\n")
        case StepStarted():
            _line("▶ plan" if event.kind == "plan" else f"▶ {event.kind}\n")
        case PlanCreated():
            for number, step in enumerate(event.plan.steps, start=1):
                _line(f"    {number}. {step.agent}: {step.task}")
        case ModelDelta(channel="answer"):
            print(event.delta, end="", flush=True)
        case ToolCallStarted():
            _line(f"    {event.tool} {event.arguments}")
        case ToolCallResult():
            _line(f"    → {event.status}: {_first_line(event.content)}")
            print()
        case StepFailed() | RunFailed():
            _line(f"✗ {event.error.code}: {event.error.detail}\n")
        case RunCompleted() | RunCancelled():
            _line(f"■ {event.type}, {event.usage.total_tokens} tokens\n")


def _line(text: str) -> None:
    print(f"\n{text}", end="", flush=True)


def _first_line(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 160 else f"{line[:160]} …"
