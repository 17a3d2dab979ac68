"""The JSON objects of the API, as clients see them and as repositories return them."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from config.agents import AgentSpec, Limits
from config.api_keys import Role
from config.policies import ToolPolicies, Verdict
from graph.events import CallStatus, Failure, Moment, Plan, StepKind, Usage

RunStatus = Literal["queued", "running", "requires_action", "completed", "failed", "cancelled"]
StepStatus = Literal["running", "completed", "failed"]
ToolCallStatus = Literal["running"] | CallStatus
ApprovalStatus = Literal["pending", "approved", "edited", "rejected", "expired", "cancelled"]
Multitask = Literal["enqueue", "reject", "interrupt", "rollback"]
"""What a new run does to the unfinished ones of its conversation: waits for them, gives way to them, cancels them, or
cancels them and leaves what they were asked out of its own branch."""
T = TypeVar("T")
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
"""Up to 16 pairs of short text that are the client's own."""

Cursor = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
"""An id or a name that a list has shown."""


class Resource(BaseModel):
    """What a client receives. Frozen: a change makes a new one."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """What a client sends. A key we do not know is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Resource, Generic[T]):
    """One page of a list, oldest first unless `order` says otherwise."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool
    first_id: str | None
    last_id: str | None


class PageQuery(Request):
    """Which page: up to `limit` entries after (or before) the one with this id."""

    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: Cursor | None = None
    before: Cursor | None = None


MessageId = Annotated[str, Field(pattern=r"^msg_[0-9a-f-]{36}$")]


class NewConversation(Request):
    title: str | None = Field(None, max_length=200)
    metadata: Metadata = {}


class Conversation(Resource):
    id: str
    title: str | None
    metadata: Metadata
    created_at: Moment


class Attachment(Request):
    """A picture or a file that comes with a message: its bytes as base64 in `data`, or a `url`."""

    type: Literal["image", "file"]
    name: str = Field(max_length=255)
    media_type: str = Field(max_length=127)
    data: str | None = None
    url: str | None = Field(None, max_length=2048)


class NewMessage(Request):
    role: Literal["user", "assistant", "system"] = "user"
    content: str = Field(max_length=1_000_000)
    attachments: list[Attachment] = Field([], max_length=16)
    parent_id: str | None = None


class Message(Resource):
    id: str
    conversation_id: str
    parent_id: str | None
    role: Literal["user", "assistant", "system"]
    content: str
    attachments: list[Attachment]
    run_id: str | None
    created_at: Moment


class NewRun(Request):
    agent_id: str = "router"
    message_id: MessageId | None = None
    """The user message to answer; by default the newest one of the newest branch."""
    stream: bool = False
    multitask: Multitask = "enqueue"
    limits: Limits = Limits()
    """Budgets of this run; a limit of its agent or of the policies that is tighter wins."""
    metadata: Metadata = {}


class NewFork(Request):
    """Where a new run of the same question goes another way than the one it is forked from."""

    step_id: str | None = Field(None, max_length=80)
    """The step that is run anew, with all that depends on it; by default what failed, else the answer."""
    task: str | None = Field(None, min_length=1, max_length=100_000)
    """Other words for that step."""
    agent_id: str | None = Field(None, max_length=63)
    """Another agent for that step."""
    stream: bool = False
    metadata: Metadata = {}


class Run(Resource):
    id: str
    conversation_id: str
    agent_id: str
    status: RunStatus
    plan: Plan | None
    message_id: str | None
    error: Failure | None
    usage: Usage
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


class Artifact(Resource):
    """A result or file that is kept whole; its bytes are at `/v1/artifacts/{id}/content`."""

    id: str
    run_id: str | None
    call_id: str | None
    name: str
    media_type: str
    size: int
    created_at: Moment


class Memory(Resource):
    """One thing that agents remember about their user."""

    id: str
    text: str
    agent: str | None
    run_id: str | None
    """The run in which it was remembered."""
    created_at: Moment


class NewArtifact(Resource):
    """What is known of an artifact before it is stored."""

    id: str
    owner: str
    run_id: str | None
    call_id: str | None
    name: str
    media_type: str


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
    tool_calls: list[ToolCall]


class Tool(Resource):
    name: str
    server: str
    description: str
    input_schema: dict[str, JsonValue]
    annotations: dict[str, JsonValue]


class RateLeft(Resource):
    """What is left of one rate limit: `limit` calls in each `window` of seconds."""

    scope: Literal["user", "agent", "tool"]
    limit: int
    window: int
    remaining: int
    reset: int
    """Seconds until there is more."""


class Check(Resource):
    """What would become of a tool call. Nothing was done to find out."""

    tool: str
    agent: str | None
    user: str
    role: Role
    verdict: Verdict
    rule: str
    """What said so."""
    reason: str
    arguments_error: str | None
    """Why the arguments do not fit the tool's schema."""
    rates: list[RateLeft]


class PolicySet(Resource):
    """The tool policies, as they are or were in force."""

    version: int
    """0 is the file's."""
    source: Literal["file", "api"]
    policies: ToolPolicies
    changed_by: str | None
    created_at: Moment | None


class NewPolicies(Request):
    """All tool policies, to replace those in force."""

    policies: ToolPolicies
    version: int | None = Field(None, ge=0, description="The version that this change is based on; another: 409.")


class AuditRecord(Resource):
    """One thing that was done, or refused."""

    id: str
    at: Moment
    principal: str
    role: Role
    agent: str | None
    action: str
    target: str
    rule: str | None
    outcome: str
    run_id: str | None
    request_id: str | None
    detail: dict[str, JsonValue]


class AuditQuery(PageQuery):
    """A page of the audit, of what fits all that is given."""

    principal: str | None = Field(None, max_length=200)
    action: str | None = Field(None, max_length=64, examples=["tool.call"])
    tool: str | None = Field(None, max_length=200)
    agent: str | None = Field(None, max_length=64)
    run_id: str | None = Field(None, max_length=64)
    outcome: str | None = Field(None, max_length=32, examples=["denied"])
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


Agent = AgentSpec
"""An agent is shown exactly as it is configured."""


class AgentVersion(Resource):
    """An agent as one change made it."""

    version: int
    created_at: Moment
    deleted_at: Moment | None
    """When the agent was deleted, for the version that was its last one then."""
    agent: Agent


class Rollback(Request):
    version: int = Field(ge=1, le=2**31 - 1)
    """The version whose content becomes the newest one."""
