"""What a terminal shows of a run, line by line. Pure: from events to text, printing nothing."""

from typing import Final

from rich.table import Table
from rich.text import Text

from graph.events import Plan, StepFailed, StepStarted, ToolCallResult, ToolCallStarted, Usage
from server.cli.tables import one_line, safe, shown_arguments

MARGIN: Final = 2
_DONE: Final = ("✓ ", "green")
_WRONG: Final = ("✗ ", "red")


def plan_lines(plan: Plan) -> Table:
    """Returns the plan as a small table: number, agent, task, and what it waits for."""
    numbers = {step.id: number for number, step in enumerate(plan.steps, start=1)}
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column()
    for step in plan.steps:
        after = ", ".join(str(numbers[needed]) for needed in step.depends_on if needed in numbers)
        task = Text(one_line(step.task))
        task.append(f"  after {after}" if after else "", style="dim")
        table.add_row(Text(f"{' ' * MARGIN}{numbers[step.id]}", style="dim"), Text(step.agent, style="cyan"), task)
    return table


def call_line(call: ToolCallStarted) -> Text:
    """Returns a call as it is under way, or as the head of its result."""
    return Text.assemble((call.tool, "bold"), " ", (shown_arguments(call.arguments), "dim"))


def result_lines(agent: str, call: ToolCallStarted | None, result: ToolCallResult) -> list[Text]:
    """Returns a finished call: who called what, and the beginning of what came back."""
    sign = _DONE if result.status == "ok" else _WRONG
    called = call_line(call) if call else Text(result.tool, style="bold")
    head = Text.assemble(" " * MARGIN, sign, (agent, "cyan"), "  ", called)
    if result.status != "ok":
        head.append(f"  {result.status}", style="red")
    said = result.content or (result.error.detail if result.error else "")
    tail = Text.assemble(" " * (MARGIN + 2), (one_line(said), "dim" if result.status == "ok" else "red"))
    return [head, tail] if tail.plain.strip() else [head]


def step_line(step: StepStarted, seconds: float, usage: Usage) -> Text:
    spent = f"{seconds:.1f} s" + (f" · {usage.total_tokens:,} tokens" if usage.total_tokens else "")
    return Text.assemble(" " * MARGIN, _DONE, (named(step), "cyan"), "  ", (spent, "dim"))


def failed_step_line(step: StepStarted | None, event: StepFailed) -> Text:
    name = named(step) if step else "step"
    return Text.assemble(" " * MARGIN, _WRONG, (name, "cyan"), "  ", (one_line(event.error.detail), "red"))


def named(step: StepStarted) -> str:
    return {"plan": "plan", "agent": step.agent, "synthesis": "answer"}[step.kind]


def note_line(text: str, style: str = "dim") -> Text:
    return Text.assemble(" " * MARGIN, (safe(text), style))
