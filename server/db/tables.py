"""The tables. `migrations/` makes them; a test holds the two equal. Nothing outside `server/db` sees these classes."""

from datetime import datetime
from typing import ClassVar, Final, Literal

from pydantic import JsonValue
from sqlalchemy import Float, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from config.agents import AgentSpec, Limits
from config.api_keys import Role
from graph.events import Failure, Plan, StepKind, Usage
from graph.forking import HeadStart
from server.db.columns import JsonOf, Prose, UtcMoment
from server.db.stored_agents import StoredAgent
from server.resources.approvals import ApprovalKind, ApprovalStatus
from server.resources.conversations import Attachment
from server.resources.runs import RunStatus, StepStatus, ToolCallStatus

UNDER_WAY: Final = "status IN ('running', 'requires_action')"
"""At most one run of a conversation is under way: the database itself holds it so."""
UNFINISHED: Final = "status IN ('queued', 'running', 'requires_action')"


class Row(DeclarativeBase):
    type_annotation_map: ClassVar = {datetime: UtcMoment(), str: Text()}


class ConversationRow(Row):
    __tablename__ = "conversations"
    __table_args__ = (
        Index("conversations_by_owner", "owner", "id"),
        Index("conversations_by_key", "owner", "external_key", unique=True),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    external_key: Mapped[str | None]
    """The client's own name for it, where the client has one."""
    title: Mapped[str | None] = mapped_column(Prose())
    labels: Mapped[dict[str, str]] = mapped_column("metadata", JsonOf(dict[str, str]))
    created_at: Mapped[datetime]


class MessageRow(Row):
    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_by_conversation", "conversation_id", "id"),
        Index("messages_by_parent", "parent_id"),
        Index("messages_by_digest", "digest"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None]
    standing_id: Mapped[str | None]
    """The system message that was last said above it: what holds is found without walking all the way up."""
    floating: Mapped[bool]
    """Its parent was not named and an answer was under way: it takes its place when its run is claimed."""
    role: Mapped[Literal["user", "assistant", "system"]] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Prose())
    attachments: Mapped[list[Attachment]] = mapped_column(JsonOf(list[Attachment]))
    run_id: Mapped[str | None]
    """The run that wrote it; None for what a client posted."""
    digest: Mapped[str | None] = mapped_column(String(64))
    """All that was said up to here, as a hash; None where it did not come with a history."""
    tools_read: Mapped[list[str] | None] = mapped_column(JsonOf(list[str]))
    """Of an answer: the tools whose results may stand in it or above it. None in what others wrote."""
    created_at: Mapped[datetime]


class RunRow(Row):
    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_by_conversation", "conversation_id", "id"),
        Index("runs_by_status", "status", "id"),
        Index("runs_by_owner", "owner", "id"),
        Index(
            "one_run_under_way",
            "conversation_id",
            unique=True,
            sqlite_where=text(UNDER_WAY),
            postgresql_where=text(UNDER_WAY),
        ),
        Index(
            "unfinished_runs",
            "conversation_id",
            "id",
            sqlite_where=text(UNFINISHED),
            postgresql_where=text(UNFINISHED),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    owner: Mapped[str]
    role: Mapped[Role] = mapped_column(String(16))
    """What the caller's key may do: the run's tool calls are decided by it, also after a restart."""
    agent_id: Mapped[str]
    revision: Mapped[int]
    """The state of the registry it runs on, from start to end."""
    input_id: Mapped[str]
    """The user message it answers."""
    limits: Mapped[Limits] = mapped_column(JsonOf(Limits))
    """What its request allows; the tightest of request, agent and policy wins."""
    forked_from: Mapped[str | None]
    """The run whose plan and outputs it began with."""
    head_start: Mapped[HeadStart | None] = mapped_column(JsonOf(HeadStart))
    """Those themselves: the run they are from may be gone before this one ends."""
    status: Mapped[RunStatus] = mapped_column(String(16))
    attempt: Mapped[int]
    """The fencing token: every claim raises it, and only the holder of the newest one may write."""
    losses: Mapped[int]
    """How often a process died with this run in its hands."""
    reopenings: Mapped[int]
    """How often its holder claimed it anew because a model broke off in mid-answer."""
    next_seq: Mapped[int]
    cancel_requested: Mapped[bool]
    plan: Mapped[Plan | None] = mapped_column(JsonOf(Plan))
    message_id: Mapped[str | None]
    error: Mapped[Failure | None] = mapped_column(JsonOf(Failure))
    usage: Mapped[Usage] = mapped_column(JsonOf(Usage))
    usage_estimated: Mapped[bool]
    """Whether a model's provider told no counts, so that these, or some of them, are guessed."""
    labels: Mapped[dict[str, str]] = mapped_column("metadata", JsonOf(dict[str, str]))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class EventRow(Row):
    """The log. `json` is the very text that readers are sent."""

    __tablename__ = "events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(32))
    json: Mapped[str]


class StepRow(Row):
    __tablename__ = "steps"
    __table_args__ = (Index("steps_by_run", "run_id", "first_seq"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    first_seq: Mapped[int]
    """Where it began in the log: the order in which steps are shown."""
    kind: Mapped[StepKind] = mapped_column(String(16))
    agent: Mapped[str]
    task: Mapped[str] = mapped_column(Prose())
    depends_on: Mapped[list[str]] = mapped_column(JsonOf(list[str]))
    status: Mapped[StepStatus] = mapped_column(String(16))
    output: Mapped[str | None] = mapped_column(Prose())
    error: Mapped[Failure | None] = mapped_column(JsonOf(Failure))
    usage: Mapped[Usage] = mapped_column(JsonOf(Usage))
    """What it took so far, in all attempts, also of calls that failed."""
    cost_usd: Mapped[float] = mapped_column(Float)
    usage_estimated: Mapped[bool]


class ToolCallRow(Row):
    """The ledger: what was dispatched, and how it ended. Calls over REST have neither run nor step."""

    __tablename__ = "tool_calls"
    __table_args__ = (Index("tool_calls_by_run", "run_id", "id"), Index("tool_calls_by_step", "step_id", "started_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    step_id: Mapped[str | None]
    tool: Mapped[str]
    arguments: Mapped[dict[str, JsonValue]] = mapped_column(JsonOf(dict[str, JsonValue]))
    status: Mapped[ToolCallStatus] = mapped_column(String(16))
    result: Mapped[str | None] = mapped_column(Prose())
    error: Mapped[Failure | None] = mapped_column(JsonOf(Failure))
    artifact_id: Mapped[str | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RevisionRow(Row):
    """One state of the registry. Two writers cannot make the same one."""

    __tablename__ = "revisions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[datetime]


class AgentRow(Row):
    """What an agent is now."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    spec: Mapped[AgentSpec] = mapped_column(StoredAgent())


class AgentVersionRow(Row):
    """What an agent was from a revision on: a revision's agents are the newest versions up to it."""

    __tablename__ = "agent_versions"
    __table_args__ = (UniqueConstraint("agent_id", "revision", name="one_version_per_revision"),)

    agent_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    removed_in: Mapped[int | None]
    """The revision from which on there is no such agent, where this was its last version then."""
    spec: Mapped[AgentSpec] = mapped_column(StoredAgent())


class ApprovalRow(Row):
    """A question to a person: may this call be made, or what its server asks. Those of calls over REST or the gateway
    have no run."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("approvals_by_owner", "owner", "id"),
        Index("approvals_by_run", "run_id", "id"),
        Index("approvals_by_status", "status", "expires_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[ApprovalKind] = mapped_column(String(16))
    owner: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    step_id: Mapped[str | None]
    call_id: Mapped[str]
    agent: Mapped[str | None]
    role: Mapped[Role] = mapped_column(String(16))
    """Of the key the call is made for: by it the call is decided again when somebody has answered."""
    tool: Mapped[str]
    arguments: Mapped[dict[str, JsonValue]] = mapped_column(JsonOf(dict[str, JsonValue]))
    """What was asked for; after an edit, `edited` is what was allowed."""
    edited: Mapped[dict[str, JsonValue] | None] = mapped_column(JsonOf(dict[str, JsonValue]))
    rule: Mapped[str]
    status: Mapped[ApprovalStatus] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Prose())
    """What the person said with the decision."""
    resolved_by: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class ArtifactRow(Row):
    """A result that is too big for a prompt, or no text: kept whole for people."""

    __tablename__ = "artifacts"
    __table_args__ = (Index("artifacts_by_owner", "owner", "id"), Index("artifacts_by_run", "run_id", "id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    call_id: Mapped[str | None]
    name: Mapped[str] = mapped_column(Prose())
    media_type: Mapped[str]
    size: Mapped[int]
    """Bytes of `content`."""
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime]


class SummaryRow(Row):
    """What was said up to and with a message, in short: what a run reads in place of all that."""

    __tablename__ = "summaries"
    __table_args__ = (Index("summaries_by_conversation", "conversation_id"),)

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    content: Mapped[str] = mapped_column(Prose())
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    """What making it took: it belongs to no run's usage."""
    usage_estimated: Mapped[bool]
    created_at: Mapped[datetime]
