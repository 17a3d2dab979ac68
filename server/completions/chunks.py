"""The plain dialect: a run's events as OpenAI's chunks. What has no place in OpenAI's words is left out.

The agents' own tool calls are never `delta.tool_calls`: a client would take them for calls that it is to carry out.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, assert_never

from pydantic import JsonValue

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
    Usage,
)
from server.completions.waiting import tell_waiting
from server.resources.approvals import Approval

Line = dict[str, JsonValue]
DONE: Final = b"data: [DONE]\n\n"
CANCELLED: Final = Failure(code="run_cancelled", detail="The run was cancelled.")


class Dialect(Protocol):
    """How a run is told. Stateful: one for each stream."""

    def begin(self, preface: str) -> Iterator[Line]: ...

    def tell(self, event: RunEvent) -> Iterator[Line]: ...

    def fail(self, failure: Failure) -> Iterator[Line]: ...

    def pause(self, approvals: Sequence[Approval]) -> Iterator[Line]:
        """The run waits for a person: what is asked ends the answer."""


@dataclass(frozen=True)
class Completion:
    """What all chunks of a completion, or the one object, have in common."""

    id: str
    created: int
    model: str

    def chunk(self, delta: Line, finish_reason: Literal["stop"] | None = None) -> Line:
        choice: Line = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage_chunk(self, usage: Usage) -> Line:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": build_usage(usage)}

    def whole(self, content: str, usage: Usage) -> Line:
        message: Line = {"role": "assistant", "content": content, "refusal": None}
        choice: Line = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {**self._head("chat.completion"), "choices": [choice], "usage": build_usage(usage)}

    def _head(self, kind: str) -> Line:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
        }


class PlainDialect:
    """Answer, end, usage if asked for."""

    def __init__(self, completion: Completion, *, usage: bool) -> None:
        self._completion, self._usage = completion, usage
        self._spoke: tuple[str, int] | None = None
        """Step and attempt of the last words."""

    def begin(self, preface: str) -> Iterator[Line]:
        yield self._chunk({"role": "assistant", "content": f"{preface}\n\n" if preface else ""})

    def tell(self, event: RunEvent) -> Iterator[Line]:
        match event:
            case ModelDelta(channel="answer"):
                yield self._chunk({"content": self._gap(event) + event.delta})
            case RunCompleted():
                yield from self._complete(event)
            case RunFailed():
                yield from self.fail(event.error)
            case RunCancelled():
                yield from self.fail(CANCELLED)
            case RunStarted() | RunResumed() | PlanCreated() | StepStarted() | StepCompleted() | StepFailed():
                pass
            case ModelDelta() | ToolCallStarted() | ToolCallResult() | ApprovalRequested() | ApprovalResolved():
                pass
            case _:
                assert_never(event)

    def fail(self, failure: Failure) -> Iterator[Line]:
        """An error after the headers: the words so far stay with the client."""
        yield {"error": build_error(failure)}

    def pause(self, approvals: Sequence[Approval]) -> Iterator[Line]:
        words = tell_waiting(approvals)
        yield self._chunk({"content": f"\n\n{words}" if self._spoke else words})
        yield self.stop()

    def stop(self) -> Line:
        return self._chunk({}, "stop")

    def _complete(self, event: RunCompleted) -> Iterator[Line]:
        yield self.stop()
        if self._usage:
            yield self._completion.usage_chunk(event.usage)

    def _gap(self, event: ModelDelta) -> str:
        """What was sent cannot be taken back: an answer that begins again is set off from it."""
        spoke, self._spoke = self._spoke, (event.step_id, event.attempt)
        return "\n\n" if spoke and spoke != self._spoke else ""

    def _chunk(self, delta: Line, finish_reason: Literal["stop"] | None = None) -> Line:
        chunk = self._completion.chunk(delta, finish_reason)
        return {**chunk, "usage": None} if self._usage else chunk


def build_usage(usage: Usage) -> Line:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def build_error(failure: Failure) -> Line:
    return {"message": failure.detail, "type": "server_error", "param": None, "code": failure.code}


def encode(line: Line) -> bytes:
    return b"data: " + json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
