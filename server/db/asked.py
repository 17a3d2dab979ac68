"""What people are asked, and where: clients that send all that was said send the questions, too."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from server.db.database import Database
from server.db.tables import ApprovalRow, ConversationRow, MessageRow, RunRow
from server.resources.approvals import ApprovalStatus


@dataclass(frozen=True)
class Asked:
    """A question that a run has put, and where."""

    approval_id: str
    run_id: str
    status: ApprovalStatus
    key: str | None
    """The client's own name for the conversation."""
    labels: dict[str, str]
    digest: str | None
    """What was said up to the message that the run answers."""
    words: str
    """That message."""
    answer: str | None
    """What the run has answered since."""


class AskedQuestions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, owner: str, approval_ids: Collection[str]) -> dict[str, Asked]:
        """Returns those of the owner's, by id."""
        if not approval_ids:
            return {}
        asking, answer = aliased(MessageRow), aliased(MessageRow)
        rows = (
            select(
                ApprovalRow.id,
                RunRow.id,
                ApprovalRow.status,
                ConversationRow.external_key,
                ConversationRow.labels,
                asking.digest,
                asking.content,
                answer.content,
            )
            .join(RunRow, RunRow.id == ApprovalRow.run_id)
            .join(ConversationRow, ConversationRow.id == RunRow.conversation_id)
            .join(asking, asking.id == RunRow.input_id)
            .outerjoin(answer, answer.id == RunRow.message_id)
            .where(ApprovalRow.owner == owner, ApprovalRow.id.in_(approval_ids))
        )
        async with self._database.read() as session:
            return {row[0]: Asked(*row) for row in await session.execute(rows)}

    async def find_open(self, owner: str, key: str) -> str | None:
        """Returns the first question that the conversation with the client's `key` waits for."""
        rows = (
            select(ApprovalRow.id)
            .join(RunRow, RunRow.id == ApprovalRow.run_id)
            .join(ConversationRow, ConversationRow.id == RunRow.conversation_id)
            .where(ConversationRow.owner == owner, ConversationRow.external_key == key)
            .where(ApprovalRow.status == "pending")
            .where(or_(RunRow.status == "requires_action", ApprovalRow.kind == "question"))
        )
        async with self._database.read() as session:
            return await session.scalar(rows.order_by(ApprovalRow.id).limit(1))
