"""The audit, as the tool path sees it: who did what, by which rule, with what outcome. Not known here: who keeps it."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from config.api_keys import Role
from mcp_config.tools import JsonObject

Action = Literal[
    "tool.call",
    "tool.quarantine",
    "tool.approve",
    "approval.resolve",
    "agent.create",
    "agent.update",
    "agent.rollback",
    "agent.delete",
    "policy.replace",
    "token.create",
    "token.revoke",
    "credential.set",
    "credential.delete",
    "server.login",
    "server.logout",
    "principal.act_as",
]


@dataclass(frozen=True)
class AuditEntry:
    """One fact that an auditor may ask for. Arguments and results are not in it: the ledger has those."""

    principal: str
    role: Role
    action: Action
    target: str
    """The tool's name or the resource's id."""
    outcome: str
    agent: str | None = None
    rule: str | None = None
    """What allowed or stopped it."""
    run_id: str | None = None
    detail: JsonObject = field(default_factory=dict)


class Audit(Protocol):
    async def record(self, entry: AuditEntry) -> None:
        """Adds the entry; returns once that is durable."""


class Unaudited:
    """For notebooks, scripts and Studio, where nobody keeps an audit."""

    async def record(self, entry: AuditEntry) -> None:
        del entry
