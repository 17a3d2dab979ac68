"""The rich dialect: what Open WebUI shows beside the answer: thoughts, a status line per step and tool, cards, sources.

Open WebUI relays event lines to the user's browser, where some types run as code. Types are therefore written here and
nowhere else, and what models and tools said stands in text fields only.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from config.ids import new_id
from graph.events import (
    ApprovalRequested,
    ApprovalResolved,
    Failure,
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
)
from mcp_config.tools import ELICITATION
from server.completions.chunks import CANCELLED, Completion, Line, PlainDialect
from server.completions.replies import name_of
from server.completions.sources import find_sources
from server.completions.waiting import ask, tell_waiting, template_of
from server.resources.approvals import Approval
from server.resources.forms import read_form

_APPEND: Final = 1_000_000
"""Open WebUI puts an item at its index, and counts items of its own that we cannot know; beyond all, it appends."""
_LONGEST_CARD: Final = 20_000
_LONGEST_TASK: Final = 80
_ANSWERS: Final = {"approve": "answered", "edit": "answered", "reject": "told nothing", "expire": "told nothing"}
_DECISIONS: Final = {"approve": "approved", "edit": "approved with changes", "reject": "rejected", "expire": "expired"}


class RichDialect:
    def __init__(self, completion: Completion, *, asks: bool = False) -> None:
        self._completion, self._asks = completion, asks
        self._plain = PlainDialect(completion, usage=True)
        self._steps: dict[str, StepStarted] = {}
        self._calls: dict[str, ToolCallStarted] = {}
        self._waiting: dict[str, ApprovalRequested] = {}
        self._sources: set[str] = set()
        self._thinking = ""
        """The step that had the last thought."""

    def begin(self, preface: str) -> Iterator[Line]:
        yield from self._plain.begin(preface)

    def tell(self, event: RunEvent) -> Iterator[Line]:
        yield from self._beside(event)
        if not isinstance(event, RunFailed | RunCancelled):  # those are told by `fail`
            yield from self._plain.tell(event)

    def pause(self, approvals: Sequence[Approval]) -> Iterator[Line]:
        waits = "Waiting for approval" if any(each.kind == "call" for each in approvals) else "Waiting for an answer"
        yield _status(waits, done=not self._asks)
        if self._asks:
            yield build_questions(approvals)
            yield self._plain.stop()
        else:
            yield from self._plain.pause(approvals)

    def fail(self, failure: Failure) -> Iterator[Line]:
        yield _status("Cancelled" if failure is CANCELLED else "Failed", done=True)
        yield from self._plain.fail(failure)

    def _beside(self, event: RunEvent) -> Iterator[Line]:  # noqa: C901, PLR0912 - one line for each event
        match event:
            case StepStarted():
                self._steps[event.step_id] = event
                yield _status(_doing(event))
            case PlanCreated():
                yield from _planned(event)
            case ToolCallStarted():
                self._calls[event.call_id] = event
                yield _status(f"{self._agent(event.step_id)}: running {_short(event.tool)}…")
            case ToolCallResult():
                yield from self._result(event)
            case ModelDelta(channel="work") | ModelDelta(channel="reasoning"):
                yield self._completion.chunk({"reasoning_content": self._heading(event) + event.delta})
            case ApprovalRequested():
                self._waiting[event.approval_id] = event
                waits = "asks something" if event.rule == ELICITATION else "waits for approval"
                yield _status(f"{self._agent(event.step_id)}: {_short(event.tool)} {waits}…")
            case ApprovalResolved():
                yield from self._resolved(event)
            case StepFailed():
                yield _status(f"{self._agent(event.step_id)}: failed")
            case RunCompleted():
                yield _status("Done", done=True)
            case RunFailed():
                yield from self.fail(event.error)
            case RunCancelled():
                yield from self.fail(CANCELLED)
            case RunStarted() | RunResumed() | StepCompleted() | ModelDelta():
                pass
            case _:
                assert_never(event)

    def _result(self, event: ToolCallResult) -> Iterator[Line]:
        if event.status != "ok":
            yield _status(f"{self._agent(event.step_id)}: {_short(event.tool)} ended: {event.status}")
        started = self._calls.pop(event.call_id, None)
        yield from _card(event, json.dumps(started.arguments if started else {}, ensure_ascii=False))
        if event.status != "ok" or started is None:
            return
        for source in find_sources(started, event.content or ""):
            if source.name not in self._sources:
                self._sources.add(source.name)
                yield {"event": {"type": "source", "data": source.line()}}

    def _resolved(self, event: ApprovalResolved) -> Iterator[Line]:
        if asked := self._waiting.pop(event.approval_id, None):
            decided = (_ANSWERS if asked.rule == ELICITATION else _DECISIONS)[event.decision]
            yield _status(f"{self._agent(asked.step_id)}: {_short(asked.tool)} {decided}")

    def _agent(self, step_id: str) -> str:
        step = self._steps.get(step_id)
        return step.agent if step else "agent"

    def _heading(self, event: ModelDelta) -> str:
        """Thoughts of several agents run together: each change of the speaker is announced."""
        before, self._thinking = self._thinking, event.step_id
        if before == event.step_id:
            return ""
        return f"{chr(10) * 2 if before else ''}{self._agent(event.step_id)}: "


def build_questions(approvals: Sequence[Approval]) -> Line:
    """Returns the line for a client that asks the user itself, and sends their reply as the next message."""
    return {"waiting": {"questions": [_question(each) for each in approvals], "words": tell_waiting(approvals)}}


def _question(approval: Approval) -> Line:
    """The dialogs, in Open WebUI's words; `input` asks for the reason of a no, or, where `typed` says so, for more than
    a yes; `no` and `yes` begin that reply."""
    name = name_of(approval.id)
    if approval.kind == "question":
        fields = read_form(approval.arguments)
        one = len(fields) == 1
        what, shape = (fields[0].wanted, "") if one else ("One JSON object", template_of(approval))
        title, message = "A tool's server asks", f"{ask(approval)}\n\nDo you want to answer?"
        return {
            "confirmation": {"title": title, "message": message},
            "input": {"title": "The answer", "message": what, "placeholder": shape},
            "typed": bool(fields),
            "yes": f"edit {name}: " if fields else f"approve {name}",
            "no": f"reject {name}",
        }
    return {
        "confirmation": {"title": "May this tool be called?", "message": ask(approval)},
        "input": {"title": "It is not called", "message": "Why? The agent is told.", "placeholder": "May stay empty"},
        "yes": f"approve {name}",
        "no": f"reject {name}: ",
    }


def _status(description: str, *, done: bool = False) -> Line:
    return {"event": {"type": "status", "data": {"description": description, "done": done}}}


def _planned(event: PlanCreated) -> Iterator[Line]:
    """One step is just what was asked, and begins at once."""
    steps = event.plan.steps
    if len(steps) > 1:
        tasks = (f"{number}. {step.agent}: {_brief(step.task)}" for number, step in enumerate(steps, start=1))
        yield _status(f"Plan: {' · '.join(tasks)}")


def _brief(task: str) -> str:
    words = " ".join(task.split())
    return words if len(words) <= _LONGEST_TASK else f"{words[: _LONGEST_TASK - 1].rstrip()}…"


def _doing(step: StepStarted) -> str:
    match step.kind:
        case "plan":
            return "Planning…"
        case "agent":
            return f"{step.agent}: working…"
        case "synthesis":
            return "Writing the answer…"


def _short(tool: str) -> str:
    return tool.partition("__")[2] or tool


def _card(event: ToolCallResult, arguments: str) -> Iterator[Line]:
    """A call together with its output: a call without one is a call that Open WebUI would carry out itself."""
    call_id = new_id("call")
    said = (event.content if event.content is not None else event.error.detail if event.error else "")[:_LONGEST_CARD]
    call: Line = {"type": "function_call", "name": event.tool, "arguments": arguments}
    output: Line = {"type": "function_call_output", "output": [{"type": "input_text", "text": said}]}
    for prefix, item in (("fc", call), ("fco", output)):
        named: Line = {**item, "id": f"{prefix}_{call_id}", "call_id": call_id, "status": "completed"}
        yield {"type": "response.output_item.added", "output_index": _APPEND, "item": named}
