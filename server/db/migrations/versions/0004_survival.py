"""Approvals, artifacts, summaries, idempotency keys, audit, tokens, policy versions, credentials; runs' limits."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_UNFINISHED = sa.text("status IN ('queued', 'running', 'requires_action')")
_TABLES = (
    "server_logins",
    "user_credentials",
    "policy_versions",
    "tokens",
    "audit",
    "idempotency_keys",
    "summaries",
    "artifacts",
    "approvals",
)


_APPEND_ONLY = {
    "sqlite": (
        "CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''the audit is append-only''; END'",
        "CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
    ),
}
"""No row is ever changed. Only retention removes rows, the oldest."""


def upgrade() -> None:
    op.add_column("runs", sa.Column("limits", sa.Text, nullable=False, server_default="{}"))
    op.add_column("runs", sa.Column("forked_from", sa.Text))
    op.add_column("runs", sa.Column("head_start", sa.Text))
    op.add_column("messages", sa.Column("tools_read", sa.Text))
    op.add_column("steps", sa.Column("cost_usd", sa.Float, nullable=False, server_default="0"))
    op.add_column("steps", sa.Column("usage_estimated", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("runs", sa.Column("reopenings", sa.Integer, nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("usage_estimated", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("agent_versions", sa.Column("removed_in", sa.Integer))
    op.create_index("runs_by_owner", "runs", ["owner", "id"])
    op.create_index(
        "unfinished_runs",
        "runs",
        ["conversation_id", "id"],
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )
    _approvals()
    _artifacts()
    _summaries()
    _idempotency_keys()
    _audit()
    _tokens()
    _policy_versions()
    _user_credentials()
    _server_logins()


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_is_append_only()")
    op.drop_index("unfinished_runs", "runs")
    op.drop_index("runs_by_owner", "runs")
    op.drop_column("agent_versions", "removed_in")
    op.drop_column("runs", "head_start")
    op.drop_column("runs", "usage_estimated")
    op.drop_column("runs", "reopenings")
    op.drop_column("steps", "usage_estimated")
    op.drop_column("steps", "cost_usd")
    op.drop_column("messages", "tools_read")
    op.drop_column("runs", "forked_from")
    op.drop_column("runs", "limits")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _child_of(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, ondelete="CASCADE")


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, _child_of("runs.id")),
        sa.Column("step_id", sa.Text),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("edited", sa.Text),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("resolved_by", sa.Text),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("resolved_at", nullable=True),
    )
    op.create_index("approvals_by_owner", "approvals", ["owner", "id"])
    op.create_index("approvals_by_run", "approvals", ["run_id", "id"])
    op.create_index("approvals_by_status", "approvals", ["status", "expires_at"])


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, _child_of("runs.id")),
        sa.Column("call_id", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        _moment("created_at"),
    )
    op.create_index("artifacts_by_owner", "artifacts", ["owner", "id"])
    op.create_index("artifacts_by_run", "artifacts", ["run_id", "id"])


def _summaries() -> None:
    op.create_table(
        "summaries",
        sa.Column("message_id", sa.Text, _child_of("messages.id"), primary_key=True),
        sa.Column("conversation_id", sa.Text, _child_of("conversations.id"), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("usage_estimated", sa.Boolean, nullable=False),
        _moment("created_at"),
    )
    op.create_index("summaries_by_conversation", "summaries", ["conversation_id"])


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("resource_id", sa.Text),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        _moment("created_at"),
        _moment("expires_at"),
    )
    op.create_index("idempotency_by_age", "idempotency_keys", ["expires_at"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Text, primary_key=True),
        _moment("at"),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("rule", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("audit_by_principal", "audit", ["principal", "id"])
    op.create_index("audit_by_action", "audit", ["action", "id"])
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
        _moment("revoked_at", nullable=True),
        _moment("last_used_at", nullable=True),
    )
    op.create_index("tokens_by_prefix", "tokens", ["prefix"], unique=True)


def _policy_versions() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("policies", sa.Text, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        _moment("created_at"),
    )


def _user_credentials() -> None:
    op.create_table(
        "user_credentials",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        _moment("updated_at"),
    )


def _server_logins() -> None:
    op.create_table(
        "server_logins",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("server", sa.Text, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        _moment("updated_at"),
    )
