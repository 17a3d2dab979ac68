"""The state that graph nodes share. Plain TypedDicts and messages, so that checkpoints need no allowlist."""

import operator
from typing import Annotated, Final, Literal, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from pydantic import JsonValue

BUDGET_EXCEEDED: Final = "budget_exceeded"
"""The code of a failure that no new plan and no other step can mend: it ends the run."""
StepChannel = Literal["answer", "work"]
"""Where the words of a step go: they are the run's answer, or work that others build on."""


class PlanStep(TypedDict):
    id: str
    agent: str
    task: str
    depends_on: list[str]


class StepResult(TypedDict):
    step_id: str
    agent: str
    task: str
    status: Literal["completed", "failed"]
    output: str
    """The agent's words; for a failed step, what went wrong."""
    code: str
    """Empty for a completed step, else the failure's stable code."""
    answered: NotRequired[bool]
    """Whether words of it were shown as the answer; a failed step that did is not planned anew."""


class RunFailure(TypedDict):
    code: str
    detail: str


class HeadStart(TypedDict):
    """What a fork takes over from the run it was forked from."""

    plan: list[PlanStep]
    results: list[StepResult]
    """Of steps that are done; they are not run again."""
    replanned: bool


class RunState(TypedDict, total=False):
    """The whole run: a bounded window of the conversation in, a plan, and what its steps brought."""

    messages: Annotated[list[AnyMessage], add_messages]
    agent_id: str
    """`router` to plan, or the one agent to run."""
    question: str
    """Id of the message that this run answers; whatever else is here belongs to it."""
    head_start: HeadStart
    """What a run begins with that is a fork; others have none."""
    plan: list[PlanStep]
    replanned: bool
    results: Annotated[list[StepResult], operator.add]
    failure: RunFailure | None
    """Why the run as a whole has failed; then nothing more is run."""


class StepInput(TypedDict):
    """What one specialist is given: its step, the results it builds on, and whether its words are the answer."""

    step: PlanStep
    earlier: list[StepResult]
    messages: Annotated[list[AnyMessage], add_messages]
    channel: StepChannel


class StepState(StepInput, total=False):
    """A specialist at work: its own turns with the model and the tools."""

    turns: Annotated[list[AnyMessage], add_messages]
    results: Annotated[list[StepResult], operator.add]


class ToolTask(TypedDict):
    """One tool call that a model asked for: a task of its own, so that a finished call is checkpointed by itself."""

    step: PlanStep
    channel: StepChannel
    said: str
    """The step's words so far."""
    call_id: str
    tool: str
    arguments: dict[str, JsonValue]
    repeats: int
    """How often the step has made this very call before."""


class StepOutput(TypedDict):
    """What a step hands to the run."""

    results: list[StepResult]
