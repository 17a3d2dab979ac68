"""Runs as their owners see them: asked for, forked, read, to be cancelled. What a run *does*, the event log writes."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import func, select

from config.api_keys import Role
from config.ids import after, new_id
from graph.events import Usage
from server.db.conversations import get_conversation
from server.db.database import Database
from server.db.forking import check_forkable, choose_agent, read_head_start
from server.db.messages import find_question, leave_out
from server.db.once import made_once
from server.db.paging import page_of
from server.db.sessions import ReadSession, WriteSession
from server.db.steps import read_steps
from server.db.tables import RunRow
from server.db.turns import ACTIVE, make_way
from server.errors import Conflict, NotFound
from server.resources.pages import Page, PageQuery
from server.resources.runs import NewFork, NewRun, Run, RunStatus, Step


class Runs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, owner: str, role: Role, conversation_id: str, new: NewRun, revision: int, question: str | None = None
    ) -> Run:
        """Puts a run in the conversation's queue, for a user message: by default the newest of the newest branch.

        Raises:
            NotFound: the conversation is not there, or another owner's.
            Invalid: the message named is no user message of this conversation.
            Conflict: there is no user message to answer, or another run is active and this one gives way to it.
        """

        async def make(session: WriteSession) -> Run:
            await get_conversation(session, owner, conversation_id, locked=True)
            asked = question or await find_question(session, conversation_id, new.message_id)
            if asked is None:
                raise Conflict("no_user_message", "This conversation has no user message yet; post one first.")
            rolled_back = await make_way(session, conversation_id, new.multitask)
            if question is None and new.message_id is None:  # else the client says what the branch is
                await leave_out(session, asked, rolled_back)
            row = _new_row(owner, role, conversation_id, new, revision, asked)
            row.id = after(await _find_newest(session, conversation_id), row.id)
            session.add(row)
            return _resource(row)

        return await self._database.write(made_once(RunRow, _resource, make))

    async def fork(
        self, owner: str, role: Role, run_id: str, new: NewFork, revision: int, agents: Collection[str]
    ) -> Run:
        """Puts a run in the queue that answers what an ended one answered, and goes another way from a step on.

        `agents` are those that may act at the revision.

        Raises:
            NotFound: the run is not there, or another owner's.
            Invalid: the agent named is not there.
            Conflict: the run has not ended, or cannot be forked from this step.
        """

        async def make(session: WriteSession) -> Run:
            source = await get_run(session, owner, run_id)
            await get_conversation(session, owner, source.conversation_id, locked=True)
            check_forkable(source)
            wanted = NewRun(agent_id=choose_agent(source, new, agents), metadata=new.metadata)
            row = _new_row(owner, role, source.conversation_id, wanted, revision, source.input_id)
            row.id = after(await _find_newest(session, source.conversation_id), row.id)
            row.limits, row.forked_from = new.limits or source.limits, source.id
            row.head_start = await read_head_start(session, source, new, row.id)
            session.add(row)
            return _resource(row)

        return await self._database.write(made_once(RunRow, _resource, make))

    async def get(self, owner: str, run_id: str) -> Run:
        """Raises: NotFound."""
        async with self._database.read() as session:
            return _resource(await get_run(session, owner, run_id))

    async def page(self, owner: str, conversation_id: str, query: PageQuery) -> Page[Run]:
        """Raises: NotFound."""
        rows = select(RunRow).where(RunRow.conversation_id == conversation_id)
        async with self._database.read() as session:
            await get_conversation(session, owner, conversation_id)
            return await page_of(session, rows, RunRow.id, query, _resource)

    async def page_of_owner(self, owner: str, query: PageQuery, statuses: Collection[RunStatus] = ()) -> Page[Run]:
        """Returns runs of all conversations; only those of the given statuses, if there are any."""
        rows = select(RunRow).where(RunRow.owner == owner)
        if statuses:
            rows = rows.where(RunRow.status.in_(statuses))
        async with self._database.read() as session:
            return await page_of(session, rows, RunRow.id, query, _resource)

    async def steps(self, owner: str, run_id: str) -> list[Step]:
        """Raises: NotFound."""
        async with self._database.read() as session:
            await get_run(session, owner, run_id)
            return await read_steps(session, run_id)

    async def request_cancel(self, owner: str, run_id: str) -> Run:
        """Notes, durably, that a run is to be cancelled; one that has ended stays as it is.

        Raises:
            NotFound: it is not there, or another owner's.
        """

        async def work(session: WriteSession) -> Run:
            row = await get_run(session, owner, run_id)
            if row.status in ACTIVE:
                row.cancel_requested = True
            return _resource(row)

        return await self._database.write(work)


async def get_run(session: ReadSession, owner: str, run_id: str) -> RunRow:
    """Raises: NotFound."""
    row = await session.get(RunRow, run_id)
    if row is None or row.owner != owner:
        raise NotFound("run_not_found", f"There is no run {run_id}.")
    return row


async def _find_newest(session: ReadSession, conversation_id: str) -> str | None:
    return await session.scalar(select(func.max(RunRow.id)).where(RunRow.conversation_id == conversation_id))


def _new_row(owner: str, role: Role, conversation_id: str, new: NewRun, revision: int, question: str) -> RunRow:
    return RunRow(
        id=new_id("run"),
        conversation_id=conversation_id,
        owner=owner,
        role=role,
        agent_id=new.agent_id,
        revision=revision,
        input_id=question,
        limits=new.limits,
        status="queued",
        attempt=0,
        losses=0,
        reopenings=0,
        next_seq=1,
        cancel_requested=False,
        usage=Usage(),
        usage_estimated=False,
        labels=new.metadata,
        created_at=datetime.now(UTC),
    )


def _resource(row: RunRow) -> Run:
    return Run(
        id=row.id,
        conversation_id=row.conversation_id,
        agent_id=row.agent_id,
        status=row.status,
        plan=row.plan,
        message_id=row.message_id,
        error=row.error,
        usage=row.usage,
        usage_estimated=row.usage_estimated,
        metadata=row.labels,
        forked_from=row.forked_from,
        attempt=row.attempt,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
