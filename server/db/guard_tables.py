"""The tables of who may do what, and who did: idempotency keys, audit, tokens, policy versions, credentials."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from config.api_keys import Role
from config.policies import ToolPolicies
from server.db.columns import JsonOf
from server.db.tables import Row


class IdempotencyRow(Row):
    """A request that may come twice, under the key its client gave it."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_by_age", "expires_at"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Method, path and body, as a hash: the same key with another request is refused."""
    resource_id: Mapped[str | None]
    """What the request made, written in the transaction that made it."""
    status: Mapped[int | None]
    """The answer's HTTP status; None while the first request is in flight."""
    headers: Mapped[dict[str, str]] = mapped_column(JsonOf(dict[str, str]))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AuditRow(Row):
    """Who did what, by which rule, with what outcome. Rows are added and never changed."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_by_principal", "principal", "id"), Index("audit_by_action", "action", "id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    principal: Mapped[str]
    role: Mapped[Role] = mapped_column(String(16))
    agent: Mapped[str | None]
    action: Mapped[str]
    """Such as `tool.call`, `approval.resolve`, `agent.update`, `policy.replace`, `token.create`."""
    target: Mapped[str]
    """The tool's name or the resource's id."""
    rule: Mapped[str | None]
    outcome: Mapped[str]
    run_id: Mapped[str | None]
    """No reference: the audit outlives the run."""
    request_id: Mapped[str | None]
    detail: Mapped[dict[str, JsonValue]] = mapped_column(JsonOf(dict[str, JsonValue]))


class TokenRow(Row):
    """An API key that was made here: of its secret, only the hash."""

    __tablename__ = "tokens"
    __table_args__ = (Index("tokens_by_prefix", "prefix", unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    """The owner of what it makes."""
    role: Mapped[Role] = mapped_column(String(16))
    prefix: Mapped[str] = mapped_column(String(16))
    """How it begins: to look it up by, and for people to tell keys apart."""
    hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class PolicyVersionRow(Row):
    """The tool policies as they were set over the API; the newest version rules."""

    __tablename__ = "policy_versions"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    policies: Mapped[ToolPolicies] = mapped_column(JsonOf(ToolPolicies))
    changed_by: Mapped[str]
    created_at: Mapped[datetime]


class UserCredentialRow(Row):
    """What a user proves with, to an upstream tool server, who they are."""

    __tablename__ = "user_credentials"

    owner: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted: the key to it is not in the database."""
    updated_at: Mapped[datetime]


class ServerLoginRow(Row):
    """A login to an upstream tool server; with an empty owner, the one that all share."""

    __tablename__ = "server_logins"

    owner: Mapped[str] = mapped_column(primary_key=True)
    server: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted: the key to it is not in the database."""
    updated_at: Mapped[datetime]
