"""The state that graph nodes share. Plain TypedDicts and messages, so that checkpoints need no allowlist."""

import operator
from typing import Annotated, Literal, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages


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


class RunState(TypedDict, total=False):
    """The whole run: a bounded window of the conversation in, a plan, and what its steps brought."""

    messages: Annotated[list[AnyMessage], add_messages]
    agent_id: str
    """`router` to plan, or the one agent to run."""
    plan: list[PlanStep]
    replanned: bool
    results: Annotated[list[StepResult], operator.add]


class StepInput(TypedDict):
    """What one specialist is given: its step, the results it builds on, and whether its words are the answer."""

    step: PlanStep
    earlier: list[StepResult]
    messages: Annotated[list[AnyMessage], add_messages]
    channel: Literal["answer", "work"]


class StepState(StepInput, total=False):
    """A specialist at work: its own turns with the model and the tools."""

    turns: Annotated[list[AnyMessage], add_messages]
    results: Annotated[list[StepResult], operator.add]
    input_tokens: Annotated[int, operator.add]
    output_tokens: Annotated[int, operator.add]


class StepOutput(TypedDict):
    results: list[StepResult]
