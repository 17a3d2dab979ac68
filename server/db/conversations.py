"""Conversations as clients keep them. Another owner's is not there."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, select

from config.ids import new_id
from server.db.database import Database
from server.db.once import made_once
from server.db.paging import page_of
from server.db.sessions import ReadSession, WriteSession
from server.db.tables import ConversationRow, RunRow
from server.db.turns import refuse_active, unfinished
from server.errors import NotFound
from server.resources.conversations import Conversation, NewConversation
from server.resources.pages import Page, PageQuery

EndIdle = Callable[[WriteSession, str], Awaitable[bool]]
"""Ends, within a transaction, a run that waits for its turn or for a person; tells whether it did."""


class Conversations:
    def __init__(self, database: Database, end_idle: EndIdle) -> None:
        self._database, self._end_idle = database, end_idle

    async def create(self, owner: str, new: NewConversation) -> Conversation:
        row = ConversationRow(
            id=new_id("conv"), owner=owner, title=new.title, labels=new.metadata, created_at=datetime.now(UTC)
        )

        async def make(session: WriteSession) -> Conversation:
            session.add(row)
            return _resource(row)

        return await self._database.write(made_once(ConversationRow, _resource, make))

    async def get(self, owner: str, conversation_id: str) -> Conversation:
        """Raises: NotFound."""
        async with self._database.read() as session:
            return _resource(await get_conversation(session, owner, conversation_id))

    async def is_temporary(self, run_id: str) -> bool:
        """Returns whether a run belongs to a conversation of which its client keeps nothing."""
        rows = select(ConversationRow.labels).join(RunRow, RunRow.conversation_id == ConversationRow.id)
        async with self._database.read() as session:
            labels = await session.scalar(rows.where(RunRow.id == run_id))
            return bool(labels and labels.get("temporary") == "true")

    async def page(self, owner: str, query: PageQuery) -> Page[Conversation]:
        rows = select(ConversationRow).where(ConversationRow.owner == owner)
        async with self._database.read() as session:
            return await page_of(session, rows, ConversationRow.id, query, _resource)

    async def delete(self, owner: str, conversation_id: str) -> Sequence[str]:
        """Removes the conversation with all that belongs to it, all or nothing.

        Runs that wait, for their turn or for a person, are cancelled with it, so that their readers hear of an end.
        Returns the ids of these.

        Raises:
            NotFound: it is not there, or another owner's.
            Conflict: a run of it is at work.
        """

        async def work(session: WriteSession) -> Sequence[str]:
            await get_conversation(session, owner, conversation_id, locked=True)
            rows = select(RunRow.id).where(RunRow.conversation_id == conversation_id, unfinished())
            left = (await session.scalars(rows.order_by(RunRow.id))).all()
            for run_id in left:
                refuse_active(None if await self._end_idle(session, run_id) else run_id)
            await session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))
            return left

        return await self._database.write(work)


async def get_conversation(
    session: ReadSession, owner: str, conversation_id: str, *, locked: bool = False
) -> ConversationRow:
    """Returns it; `locked`, nobody else gets it so before this transaction ends (SQLite has one writer anyway).

    Raises:
        NotFound: it is not there, or another owner's.
    """
    row = await session.get(ConversationRow, conversation_id, with_for_update={"key_share": True} if locked else None)
    if row is None or row.owner != owner:
        raise NotFound("conversation_not_found", f"There is no conversation {conversation_id}.")
    return row


def _resource(row: ConversationRow) -> Conversation:
    return Conversation(id=row.id, title=row.title, metadata=row.labels, created_at=row.created_at)
