"""The spine: conversations, runs with their log, steps and tool calls, and the registry of agents."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_UNDER_WAY = sa.text("status IN ('running', 'requires_action')")


def upgrade() -> None:
    _talk()
    _runs()
    _registry()


def downgrade() -> None:
    for table in ("agent_versions", "agents", "revisions", "tool_calls", "steps", "events", "runs"):
        op.drop_table(table)
    op.drop_table("messages")
    op.drop_table("conversations")


def _talk() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("conversations_by_owner", "conversations", ["owner", "id"])
    op.create_table(
        "messages",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("conversation_id", sa.Text, _child_of("conversations.id"), nullable=False),
        sa.Column("parent_id", sa.Text),
        sa.Column("floating", sa.Boolean, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("attachments", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("messages_by_conversation", "messages", ["conversation_id", "id"])
    op.create_index("messages_by_parent", "messages", ["parent_id"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("conversation_id", sa.Text, _child_of("conversations.id"), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("input_id", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("next_seq", sa.Integer, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("plan", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("usage", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_index("runs_by_conversation", "runs", ["conversation_id", "id"])
    op.create_index("runs_by_status", "runs", ["status", "id"])
    op.create_index(
        "one_run_under_way",
        "runs",
        ["conversation_id"],
        unique=True,
        sqlite_where=_UNDER_WAY,
        postgresql_where=_UNDER_WAY,
    )
    _log()


def _log() -> None:
    op.create_table(
        "events",
        sa.Column("run_id", sa.Text, _child_of("runs.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("json", sa.Text, nullable=False),
    )
    op.create_table(
        "steps",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, _child_of("runs.id"), nullable=False),
        sa.Column("first_seq", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("depends_on", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("output", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("usage", sa.Text, nullable=False),
    )
    op.create_index("steps_by_run", "steps", ["run_id", "first_seq"])
    op.create_table(
        "tool_calls",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, _child_of("runs.id")),
        sa.Column("step_id", sa.Text),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("artifact_id", sa.Text),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_index("tool_calls_by_run", "tool_calls", ["run_id", "id"])
    op.create_index("tool_calls_by_step", "tool_calls", ["step_id", "started_at"])


def _registry() -> None:
    op.create_table(
        "revisions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "agents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("spec", sa.Text, nullable=False),
    )
    op.create_table(
        "agent_versions",
        sa.Column("agent_id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("revision", sa.Integer, sa.ForeignKey("revisions.id"), nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.UniqueConstraint("agent_id", "revision", name="one_version_per_revision"),
    )


def _child_of(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, ondelete="CASCADE")
