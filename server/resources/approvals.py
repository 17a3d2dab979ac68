"""Approvals as clients see them, and what people say to them."""

from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from graph.events import Moment
from server.resources.resource import Request, Resource
from server.resources.runs import ToolCall

ApprovalStatus = Literal["pending", "approved", "edited", "rejected", "expired", "cancelled"]


ApprovalKind = Literal["call", "question"]


class Approval(Resource):
    """A question to a person: may this call be made? Or, of the kind `question`, one that its server asks meanwhile."""

    id: str
    kind: ApprovalKind
    run_id: str | None
    """The run that waits for the answer; None for a call that was made by hand."""
    step_id: str | None
    call_id: str
    agent: str | None
    tool: str
    arguments: dict[str, JsonValue]
    """What the call was asked to be made with; of a `question`, its `message` and `requestedSchema`."""
    edited: dict[str, JsonValue] | None
    """What it was allowed to be made with, after an edit; of a `question`, what was answered."""
    rule: str
    """What asked for it: a rule of the tool policies, or the agent's own policy; `elicitation` for a `question`."""
    status: ApprovalStatus
    reason: str | None
    resolved_by: str | None
    created_at: Moment
    expires_at: Moment
    resolved_at: Moment | None
    tool_call: ToolCall | None
    """The call, once it was made."""


class Resolution(Request):
    """What a person says to a question: once, and only while it is open."""

    decision: Literal["approve", "edit", "reject"]
    arguments: dict[str, JsonValue] | None = Field(
        None, description="With `edit`: what to make the call with; where a server asks, the answer."
    )
    reason: str | None = Field(None, max_length=1000, description="With `reject`, the model is told.")

    @model_validator(mode="after")
    def _edits_have_arguments(self) -> Self:
        if (self.decision == "edit") != (self.arguments is not None):
            raise ValueError("`arguments` go with the decision `edit`, and only with it")
        return self
