"""Shows a run on a terminal as it happens: what is done is printed above, what is under way moves at the bottom."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, assert_never

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

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
    Usage,
)
from mcp_config.tools import ELICITATION
from server.cli.markdown_blocks import MarkdownBlocks, TightMarkdown
from server.cli.run_lines import (
    MARGIN,
    call_line,
    failed_step_line,
    named,
    note_line,
    plan_lines,
    result_lines,
    step_line,
)
from server.cli.tables import one_line, safe

_TAIL: Final = 400
_SHOWN: Final = 48
"""Signs of a step's own words that its line shows."""


class RunView:
    """Takes a run's events in order. Between runs it can be used again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._steps: dict[str, StepStarted] = {}
        self._calls: dict[str, ToolCallStarted] = {}
        self._doing: dict[str, Text] = {}
        """What each running step is at."""
        self._words: dict[str, str] = {}
        """The end of what each step has said that is not the answer."""
        self._answer = MarkdownBlocks()
        self._answering = ""
        """The step whose words are being shown as the answer."""
        self._began: datetime | None = None
        self._waiting = "waiting"

    @contextmanager
    def following(self) -> Iterator[None]:
        """While this is open, the bottom of the terminal moves."""
        with Live(console=self._console, transient=True, refresh_per_second=12, get_renderable=self._moving) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None
                self._doing.clear()

    def note(self, text: str, style: str = "dim") -> None:
        self._print(note_line(text, style))

    def show(self, event: RunEvent) -> None:
        self._waiting = ""
        match event:
            case RunStarted():
                self._began = event.at
            case PlanCreated():
                self._print(plan_lines(event.plan), Text())
            case StepStarted():
                self._open_step(event)
            case ModelDelta():
                self._say(event)
            case ToolCallStarted():
                self._calls[event.call_id] = event
                self._doing[event.step_id] = call_line(event)
            case ToolCallResult():
                self._show_result(event)
            case StepCompleted() | StepFailed():
                self._close_step(event)
            case RunResumed() | ApprovalRequested() | ApprovalResolved():
                self._show_turn(event)
            case RunCompleted() | RunFailed() | RunCancelled():
                self._end(event)
            case _:
                assert_never(event)

    # ------------------------------------------------------------------ what is under way
    def _moving(self) -> RenderableType:
        width = self._console.width
        lines: list[RenderableType] = []
        if self._answer.rest.strip():
            lines.append(Text())
            lines.append(TightMarkdown(_last_lines(safe(self._answer.rest), max(4, self._console.height - 8))))
        for step_id, doing in self._doing.items():
            if step_id != self._answering:
                line = Text.assemble((named(self._steps[step_id]), "cyan"), "  ", doing)
                line.truncate(width - MARGIN - 2, overflow="ellipsis")
                lines.append(_spinning(line))
        if self._waiting:
            lines.append(_spinning(Text(self._waiting, style="dim")))
        return Group(*lines)

    def _open_step(self, event: StepStarted) -> None:
        self._steps[event.step_id] = event
        doing = {"plan": "planning…", "agent": event.task, "synthesis": "writing the answer…"}[event.kind]
        self._doing[event.step_id] = Text(one_line(doing), style="dim")
        if event.step_id == self._answering:
            self._finish_answer()
            self.note("The model broke off; its answer starts over.", "yellow")

    def _say(self, event: ModelDelta) -> None:
        if event.channel == "answer":
            self._answering = event.step_id
            for block in self._answer.add(event.delta):
                self._print_block(block)
            return
        words = (self._words.get(event.step_id, "") + event.delta)[-_TAIL:]
        self._words[event.step_id] = words
        self._doing[event.step_id] = Text(one_line(words)[-_SHOWN:], style="dim italic")

    # ------------------------------------------------------------------ what is done
    def _show_result(self, event: ToolCallResult) -> None:
        self._finish_answer()
        step = self._steps.get(event.step_id)
        self._print_cut(*result_lines(named(step) if step else "", self._calls.pop(event.call_id, None), event))
        self._doing[event.step_id] = Text("thinking…", style="dim")

    def _close_step(self, event: StepCompleted | StepFailed) -> None:
        self._doing.pop(event.step_id, None)
        step = self._steps.get(event.step_id)
        if isinstance(event, StepFailed):
            self._finish_answer()
            self._print(failed_step_line(step, event))
        elif step and step.kind == "agent" and event.step_id != self._answering:
            self._print(step_line(step, (event.at - step.at).total_seconds(), event.usage))

    def _show_turn(self, event: RunResumed | ApprovalRequested | ApprovalResolved) -> None:
        match event:
            case RunResumed():
                self.note("taken up again after an interruption", "yellow")
            case ApprovalRequested():
                waits = "asks something" if event.rule == ELICITATION else f"waits for approval ({event.rule})"
                self.note(f"{event.tool} {waits}: {event.approval_id}", "yellow")
            case ApprovalResolved():
                self.note(f"{event.decision} by {event.by}", "yellow")
            case _:
                assert_never(event)

    def _end(self, event: RunCompleted | RunFailed | RunCancelled) -> None:
        self._finish_answer()
        self._doing.clear()
        spent = self._spent(event.at, event.usage)
        match event:
            case RunCompleted():
                self._print(Text())
                self.note(spent)
            case RunFailed():
                self.note(f"✗ {event.error.detail}", "red")
                self.note(spent)
            case RunCancelled():
                self.note(f"stopped · {spent}", "yellow")
            case _:
                assert_never(event)

    def _spent(self, end: datetime, usage: Usage) -> str:
        seconds = f"{(end - self._began).total_seconds():.1f} s · " if self._began else ""
        return f"{seconds}{usage.total_tokens:,} tokens"

    def _finish_answer(self) -> None:
        self._answering = ""
        if rest := self._answer.finish():
            self._print_block(rest)

    def _print_block(self, block: str) -> None:
        self._print(Text(), TightMarkdown(safe(block)))

    def _print(self, *lines: RenderableType) -> None:
        for line in lines:
            self._console.print(line)

    def _print_cut(self, *lines: Text) -> None:
        for line in lines:
            self._console.print(line, overflow="ellipsis", no_wrap=True)


def _spinning(text: Text) -> RenderableType:
    return Padding(Spinner("dots", text=text, style="cyan"), (0, 0, 0, MARGIN))


def _last_lines(text: str, count: int) -> str:
    return "\n".join(text.split("\n")[-count:])
