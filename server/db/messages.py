"""The transcript: messages with parents, so that a conversation is a tree and each of its paths a branch."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import case, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from config.ids import after, new_id
from server.db.attachments import check_attachments
from server.db.conversations import get_conversation
from server.db.database import Database
from server.db.once import made_once
from server.db.paging import page_of, slice_of
from server.db.sessions import ReadSession, WriteSession
from server.db.tables import MessageRow
from server.db.turns import find_active
from server.errors import Invalid, NotFound
from server.resources.conversations import Message, NewMessage
from server.resources.pages import Page, PageQuery


class Messages:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, owner: str, conversation_id: str, new: NewMessage) -> Message:
        """Puts a message after the one named, or after the newest of the conversation.

        Raises:
            NotFound: the conversation is not there, or another owner's.
            Invalid: it is empty, the parent is of no message here, or an attachment cannot be used.
        """
        if new.role == "user" and not new.content.strip() and not new.attachments:
            detail = "The message is empty; give it `content`, or something in `attachments`."
            raise Invalid("empty_message", detail, pointer="/content")
        check_attachments(new.attachments)

        async def make(session: WriteSession) -> Message:
            await get_conversation(session, owner, conversation_id, locked=True)
            parent, floating = await _place(session, conversation_id, new.parent_id)
            row = MessageRow(
                id=after(await find_newest_message(session, conversation_id), new_id("msg")),
                conversation_id=conversation_id,
                parent_id=parent,
                standing_id=await _find_standing(session, parent),
                floating=floating,
                role=new.role,
                content=new.content,
                attachments=new.attachments,
                run_id=None,
                created_at=datetime.now(UTC),
            )
            session.add(row)
            return _resource(row)

        return await self._database.write(made_once(MessageRow, _resource, make))

    async def page(self, owner: str, conversation_id: str, query: PageQuery) -> Page[Message]:
        """Raises: NotFound."""
        rows = select(MessageRow).where(MessageRow.conversation_id == conversation_id)
        async with self._database.read() as session:
            await get_conversation(session, owner, conversation_id)
            return await page_of(session, rows, MessageRow.id, query, _resource)

    async def branch_page(self, owner: str, conversation_id: str, end: str, query: PageQuery) -> Page[Message]:
        """Returns a page of the path from the first message to `end`: `asc` is along the path, `desc` back up.

        Raises:
            NotFound: the conversation or the message is not there, or another owner's.
            Invalid: the cursor is of no message on the path.
        """
        async with self._database.read() as session:
            await get_conversation(session, owner, conversation_id)
            row = await session.get(MessageRow, end)
            if row is None or row.conversation_id != conversation_id:
                raise NotFound("message_not_found", f"There is no message {end} in this conversation.")
            path = await _read_path(session, end)
            ids, has_more = slice_of(path if query.order == "desc" else path[::-1], query)
            rows = await session.scalars(select(MessageRow).where(MessageRow.id.in_(ids)))
            found = {each.id: _resource(each) for each in rows}
        return Page.of([found[each] for each in ids], ids, has_more=has_more)

    async def branch(self, message_id: str, limit: int) -> list[Message]:
        """Returns the message and up to `limit - 1` before it on its branch, oldest first.

        System messages that hold are among them however far back they were said, again up to `limit`.
        """
        async with self._database.read() as session:
            near = await _climb(session, message_id, MessageRow.parent_id, limit)
            far = await _climb(session, near[-1].standing_id, MessageRow.standing_id, limit)
            return [_resource(row) for row in reversed(_in_force([*near, *far]))]


async def find_question(session: ReadSession, conversation_id: str, wanted: str | None = None) -> str | None:
    """Returns the id of the message to answer: the one wanted, else the newest user message of the newest branch.

    Raises:
        Invalid: the one wanted is no user message of this conversation.
    """
    if wanted is not None:
        row = await session.get(MessageRow, wanted)
        if row is None or row.conversation_id != conversation_id or row.role != "user":
            detail = f"There is no user message {wanted} in this conversation."
            raise Invalid("unknown_message", detail, pointer="/message_id")
        return wanted
    cursor = await _find_newest(session, conversation_id)
    while cursor is not None:
        row = await session.get_one(MessageRow, cursor)
        if row.role == "user":
            return row.id
        cursor = row.parent_id
    return None


async def settle_parents(session: WriteSession, message_id: str) -> None:
    """Gives a message that was posted while an answer was under way its place: after that answer, not beside it."""
    row: MessageRow | None = await session.get_one(MessageRow, message_id)
    while row is not None and row.floating:
        row.floating = False
        parent_id = row.parent_id
        if parent_id is None:
            return
        row.parent_id = await _find_answer(session, parent_id) or parent_id
        row = await session.get(MessageRow, parent_id)


async def leave_out(session: WriteSession, message_id: str, questions: Collection[str]) -> None:
    """Takes questions that were rolled back out of the branch that leads to a message.

    What followed such a question follows what that one followed. The question stays in the tree, as a branch's end.
    """
    row = await session.get_one(MessageRow, message_id)
    while row.parent_id is not None and row.run_id is None:
        above = await session.get_one(MessageRow, row.parent_id)
        if above.id in questions and await _find_answer(session, above.id) is None:
            row.parent_id, row.standing_id = above.parent_id, above.standing_id
            row.floating = row.floating or above.floating
        elif row.floating:
            row = above
        else:
            return


async def find_newest_message(session: ReadSession, conversation_id: str) -> str | None:
    """Returns the highest id of the conversation: the next one is to be higher, whatever the clock says."""
    return await session.scalar(select(func.max(MessageRow.id)).where(MessageRow.conversation_id == conversation_id))


async def _place(session: ReadSession, conversation_id: str, parent_id: str | None) -> tuple[str | None, bool]:
    if parent_id is not None:
        parent = await session.get(MessageRow, parent_id)
        if parent is None or parent.conversation_id != conversation_id:
            detail = f"There is no message {parent_id} in this conversation."
            raise Invalid("unknown_parent", detail, pointer="/parent_id")
        return parent_id, False
    active = await find_active(session, conversation_id)
    return await _find_newest(session, conversation_id), active is not None


async def _find_newest(session: ReadSession, conversation_id: str) -> str | None:
    """Returns the end of the branch that was posted to last: its answer if there is one, else what was posted."""
    posted = (
        select(MessageRow.id)
        .where(MessageRow.conversation_id == conversation_id, MessageRow.run_id.is_(None))
        .order_by(MessageRow.id.desc())
        .limit(1)
    )
    newest = await session.scalar(posted)
    return None if newest is None else await _find_answer(session, newest) or newest


async def _find_answer(session: ReadSession, message_id: str) -> str | None:
    """Returns the id of the newest answer that a run gave to a message."""
    answers = select(MessageRow.id).where(MessageRow.parent_id == message_id, MessageRow.run_id.is_not(None))
    return await session.scalar(answers.order_by(MessageRow.id.desc()).limit(1))


async def _find_standing(session: ReadSession, message_id: str | None) -> str | None:
    """Returns the id of the system message that was last said once this message has been."""
    last_said = case((MessageRow.role == "system", MessageRow.id), else_=MessageRow.standing_id)
    return await session.scalar(select(last_said).where(MessageRow.id == message_id))


async def _climb(
    session: ReadSession, start_id: str | None, up: InstrumentedAttribute[str | None], limit: int
) -> list[MessageRow]:
    """Returns the message and what is reached from it by `up`, the newest first. Reads no more than `limit`."""
    start = select(MessageRow.id, up.label("above"), literal(1).label("depth")).where(MessageRow.id == start_id)
    chain = start.cte("chain", recursive=True)
    step = select(MessageRow.id, up, chain.c.depth + 1).where(MessageRow.id == chain.c.above, chain.c.depth < limit)
    chain = chain.union_all(step)
    rows = select(MessageRow).join(chain, MessageRow.id == chain.c.id).order_by(chain.c.depth)
    return list(await session.scalars(rows))


async def _read_path(session: ReadSession, end: str) -> list[str]:
    """Returns the ids from a message up to the conversation's first."""
    start = select(MessageRow.id, MessageRow.parent_id.label("above"), literal(1).label("depth"))
    chain = start.where(MessageRow.id == end).cte("path", recursive=True)
    step = select(MessageRow.id, MessageRow.parent_id, chain.c.depth + 1).where(MessageRow.id == chain.c.above)
    chain = chain.union_all(step)
    return list(await session.scalars(select(chain.c.id).order_by(chain.c.depth)))


def _in_force(newest_first: list[MessageRow]) -> list[MessageRow]:
    """Of the system messages that came with a history only the last holds: with each one a client says all it means."""
    sent = [row for row in newest_first if row.role == "system" and row.digest is not None]
    return [row for row in newest_first if row not in sent[1:] and (row.content or row.role != "system")]


def _resource(row: MessageRow) -> Message:
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id,
        role=row.role,
        content=row.content,
        attachments=row.attachments,
        run_id=row.run_id,
        created_at=row.created_at,
    )
