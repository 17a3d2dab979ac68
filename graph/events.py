"""The one list of events: facts about a run, already true. Names and fields are the public contract, for ever.

Every face (SSE, OpenAI chunks, stored steps, metrics, console) is a pure consumer of this union and matches it
with `assert_never`, so that a new event breaks the type check and not production.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, TypeAdapter


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[AwareDatetime, PlainSerializer(_rfc3339, return_type=str)]
"""A point in time, written as RFC 3339 in UTC with milliseconds."""

StepKind = Literal["plan", "agent", "synthesis"]
Channel = Literal["answer", "work", "reasoning"]
"""`answer` is what the user asked for, `work` an intermediate step's words, `reasoning` a model's thoughts."""
CallStatus = Literal["ok", "error", "denied", "timeout", "cancelled", "unknown"]
"""How a tool call ended; `unknown` is a call that was started, then lost in a crash, and not repeated."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Usage(_Frozen):
    """Tokens that model calls took; the usages of a run's steps add up to the run's."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0

    @classmethod
    def of(cls, input_tokens: int, output_tokens: int) -> "Usage":
        return cls(input_tokens=input_tokens, output_tokens=output_tokens, total_tokens=input_tokens + output_tokens)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
        )


class Failure(_Frozen):
    """Why something failed: a stable `code` for programs, a `detail` that tells a person what to do."""

    code: str
    detail: str


class PlannedStep(_Frozen):
    """One step of a plan; `id` is the `step_id` under which it will run."""

    id: str
    agent: str
    task: str
    depends_on: tuple[str, ...] = ()


class Plan(_Frozen):
    """What the router decided; steps without open dependencies run in parallel."""

    steps: tuple[PlannedStep, ...]


class _Event(_Frozen):
    run_id: str
    seq: int = 0
    """Position in the run's log, from 1 without a gap; 0 until the log has given it."""
    at: Moment = Field(default_factory=lambda: datetime.now(UTC))
    attempt: int = 1
    """Which claim of the run this happened in; a higher one voids the open steps of those before."""


class RunStarted(_Event):
    type: Literal["run.started"] = "run.started"
    conversation_id: str
    agent_id: str


class PlanCreated(_Event):
    type: Literal["plan.created"] = "plan.created"
    step_id: str
    plan: Plan


class StepStarted(_Event):
    type: Literal["step.started"] = "step.started"
    step_id: str
    kind: StepKind
    agent: str
    task: str


class ModelDelta(_Event):
    type: Literal["model.delta"] = "model.delta"
    step_id: str
    channel: Channel
    delta: str


class ToolCallStarted(_Event):
    type: Literal["tool.call.started"] = "tool.call.started"
    step_id: str
    call_id: str
    tool: str
    arguments: dict[str, JsonValue]


class ToolCallResult(_Event):
    type: Literal["tool.call.result"] = "tool.call.result"
    step_id: str
    call_id: str
    tool: str
    status: CallStatus
    content: str | None = None
    error: Failure | None = None
    artifact_id: str | None = None


class ApprovalRequested(_Event):
    type: Literal["approval.requested"] = "approval.requested"
    step_id: str
    call_id: str
    approval_id: str
    tool: str
    arguments: dict[str, JsonValue]
    rule: str


class ApprovalResolved(_Event):
    type: Literal["approval.resolved"] = "approval.resolved"
    approval_id: str
    decision: Literal["approve", "edit", "reject", "expire"]
    by: str


class StepCompleted(_Event):
    type: Literal["step.completed"] = "step.completed"
    step_id: str
    output: str
    usage: Usage


class StepFailed(_Event):
    type: Literal["step.failed"] = "step.failed"
    step_id: str
    error: Failure


class RunResumed(_Event):
    type: Literal["run.resumed"] = "run.resumed"
    from_step: str | None


class RunCompleted(_Event):
    type: Literal["run.completed"] = "run.completed"
    message_id: str
    usage: Usage


class RunFailed(_Event):
    type: Literal["run.failed"] = "run.failed"
    error: Failure
    usage: Usage


class RunCancelled(_Event):
    type: Literal["run.cancelled"] = "run.cancelled"
    usage: Usage


RunEvent = Annotated[
    RunStarted
    | PlanCreated
    | StepStarted
    | ModelDelta
    | ToolCallStarted
    | ToolCallResult
    | ApprovalRequested
    | ApprovalResolved
    | StepCompleted
    | StepFailed
    | RunResumed
    | RunCompleted
    | RunFailed
    | RunCancelled,
    Field(discriminator="type"),
]
"""Everything a run can say. The last three are terminal: exactly one of them ends every log."""

TERMINAL: Final = frozenset({"run.completed", "run.failed", "run.cancelled"})

run_events: Final[TypeAdapter[RunEvent]] = TypeAdapter(RunEvent)
"""Parses and validates one event from JSON: `run_events.validate_json(line)`."""
