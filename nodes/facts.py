"""What nodes say while they work. They write these to LangGraph's custom stream; `graph/` makes events of them.

Facts exist because imports point down: nodes know neither events nor the log. Each carries just what its node knows.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mcp_config.tools import ToolCall, ToolResult
from nodes.models.port import Usage
from nodes.state import PlanStep

StepKind = Literal["plan", "agent", "synthesis"]
Channel = Literal["answer", "work", "reasoning"]


@dataclass(frozen=True)
class PlanMade:
    step_id: str
    steps: list[PlanStep]


@dataclass(frozen=True)
class StepOpened:
    """A step is at work. Said again by each inner node that continues it; the runner drops the repeats."""

    step_id: str
    kind: StepKind
    agent: str
    task: str
    said: str = ""
    """What it said in its turns so far: a new attempt, which voids the words of the one before, begins with this."""
    channel: Channel = "work"


@dataclass(frozen=True)
class Said:
    step_id: str
    channel: Channel
    text: str


@dataclass(frozen=True)
class CallStarted:
    """A tool call is about to be dispatched. `receipt` is set once the fact is durable, where a log keeps it."""

    step_id: str
    call: ToolCall
    receipt: asyncio.Future[None] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ApprovalAsked:
    """A tool call waits for a person. `receipt` as for `CallStarted`: the run suspends only once this is durable."""

    step_id: str
    call: ToolCall
    rule: str
    receipt: asyncio.Future[None] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class CallEnded:
    step_id: str
    call: ToolCall
    result: ToolResult


@dataclass(frozen=True)
class StepDone:
    step_id: str
    output: str
    usage: Usage


@dataclass(frozen=True)
class StepBroken:
    step_id: str
    code: str
    detail: str


@dataclass(frozen=True)
class NodeEnding:
    """A node is about to hand its result to the checkpoint: what it said must be durable first, as for `CallStarted`.

    Otherwise a crash between the two would resume behind facts that nobody has written down.
    """

    receipt: asyncio.Future[None] = field(compare=False)


Fact = PlanMade | StepOpened | Said | CallStarted | ApprovalAsked | CallEnded | StepDone | StepBroken | NodeEnding
FactWriter = Callable[[Fact], None]
