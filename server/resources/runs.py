"""Runs, their steps and tool calls, as clients see them."""

from typing import Literal

from pydantic import Field, JsonValue

from config.agents import Limits
from graph.events import CallStatus, Failure, Moment, Plan, StepKind, Usage
from server.resources.conversations import MessageId
from server.resources.resource import Metadata, Request, Resource

RunStatus = Literal["queued", "running", "requires_action", "completed", "failed", "cancelled"]
StepStatus = Literal["running", "completed", "failed"]
ToolCallStatus = Literal["running"] | CallStatus
Multitask = Literal["enqueue", "reject", "interrupt", "rollback"]
"""What a new run does to the unfinished ones of its conversation: waits for them, gives way to them, cancels them, or
cancels them and leaves what they were asked out of its own branch."""


class NewRun(Request):
    agent_id: str = "router"
    message_id: MessageId | None = None
    """The user message to answer; by default the newest one of the newest branch."""
    stream: bool = False
    multitask: Multitask = "enqueue"
    limits: Limits = Limits()
    """Budgets of this run; a limit of its agent or of the policies that is tighter wins."""
    metadata: Metadata = Field({})


class NewFork(Request):
    """Where a new run of the same question goes another way than the one it is forked from."""

    step_id: str | None = Field(None, max_length=80)
    """The step that is run anew, with all that depends on it; by default what failed, else the answer."""
    task: str | None = Field(None, min_length=1, max_length=100_000)
    """Other words for that step."""
    agent_id: str | None = Field(None, max_length=63)
    """Another agent for that step."""
    limits: Limits | None = None
    """Budgets of the new run; by default those of the other one."""
    stream: bool = False
    metadata: Metadata = Field({})


class Run(Resource):
    id: str
    conversation_id: str
    agent_id: str
    status: RunStatus
    plan: Plan | None
    message_id: str | None
    error: Failure | None
    usage: Usage
    usage_estimated: bool
    """Whether a model's provider told no token counts: then they are estimated from the texts."""
    metadata: Metadata
    forked_from: str | None
    attempt: int
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None


class ToolCall(Resource):
    id: str
    tool: str
    arguments: dict[str, JsonValue]
    status: ToolCallStatus
    result: str | None
    error: Failure | None
    artifact_id: str | None


class Step(Resource):
    id: str
    kind: StepKind
    agent: str
    task: str
    depends_on: list[str]
    status: StepStatus
    output: str | None
    error: Failure | None
    usage: Usage
    usage_estimated: bool
    tool_calls: list[ToolCall]
