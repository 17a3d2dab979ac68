"""Summaries of what was said up to a message: one branch has those of its own messages, and so no other's."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import literal, select

from graph.events import Usage
from nodes.models.port import Usage as Taken
from server.db.conversations import get_conversation
from server.db.database import Database
from server.db.paging import rows_of_page
from server.db.sessions import WriteSession
from server.db.tables import MessageRow, RunRow, SummaryRow
from server.resources.conversations import ConversationSummary
from server.resources.pages import Page, PageQuery

LOOK_BACK: Final = 200
"""Messages above one in which its summary is looked for: one further up has been outrun by what was said since."""


@dataclass(frozen=True)
class Summary:
    message_id: str
    """The last message that it tells of."""
    content: str


@dataclass(frozen=True)
class Answered:
    """A run that has ended with an answer."""

    conversation_id: str
    agent_id: str
    revision: int
    message_id: str


class Summaries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, message_id: str) -> Summary | None:
        """Returns the newest summary at a message or above it, on its branch."""
        start = select(MessageRow.id, MessageRow.parent_id, literal(1).label("depth"))
        chain = start.where(MessageRow.id == message_id).cte("chain", recursive=True)
        step = select(MessageRow.id, MessageRow.parent_id, chain.c.depth + 1)
        chain = chain.union_all(step.where(MessageRow.id == chain.c.parent_id, chain.c.depth < LOOK_BACK))
        rows = select(SummaryRow).join(chain, SummaryRow.message_id == chain.c.id).order_by(chain.c.depth).limit(1)
        async with self._database.read() as session:
            row = await session.scalar(rows)
            return Summary(row.message_id, row.content) if row else None

    async def page(self, owner: str, conversation_id: str, query: PageQuery) -> Page[ConversationSummary]:
        """Raises: NotFound."""
        rows = select(SummaryRow).where(SummaryRow.conversation_id == conversation_id)
        async with self._database.read() as session:
            await get_conversation(session, owner, conversation_id)
            found, has_more = await rows_of_page(session, rows, SummaryRow.message_id, query)
        ids = [row.message_id for row in found]
        return Page.of([_resource(row) for row in found], ids, has_more=has_more)

    async def keep(self, conversation_id: str, summary: Summary, taken: Taken) -> None:
        """Stores a summary with what it took. One that is there already stays."""
        row = SummaryRow(
            message_id=summary.message_id,
            conversation_id=conversation_id,
            content=summary.content,
            input_tokens=taken.input_tokens,
            output_tokens=taken.output_tokens,
            usage_estimated=taken.estimated,
            created_at=datetime.now(UTC),
        )

        async def work(session: WriteSession) -> None:
            told = await session.get(MessageRow, summary.message_id)
            if told is not None and await session.get(SummaryRow, summary.message_id) is None:
                session.add(row)

        await self._database.write(work)

    async def find_answered(self, run_id: str) -> Answered | None:
        rows = select(RunRow).where(RunRow.id == run_id, RunRow.message_id.is_not(None))
        async with self._database.read() as session:
            row = await session.scalar(rows)
            if row is None or row.message_id is None:
                return None
            return Answered(row.conversation_id, row.agent_id, row.revision, row.message_id)


def _resource(row: SummaryRow) -> ConversationSummary:
    return ConversationSummary(
        message_id=row.message_id,
        content=row.content,
        usage=Usage.of(row.input_tokens, row.output_tokens),
        usage_estimated=row.usage_estimated,
        created_at=row.created_at,
    )
