"""Runs and their guarded status changes. What a run *does* is written by the event log, not here."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, case, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from config.agents import Limits
from config.api_keys import Role
from config.ids import after, new_id
from graph.events import Usage
from graph.forking import HeadStart
from server.db.conversations import get_conversation
from server.db.database import Database
from server.db.forking import check_forkable, choose_agent, read_head_start
from server.db.messages import find_question, leave_out, settle_parents
from server.db.once import Once
from server.db.paging import page_of
from server.db.sessions import ReadSession, WriteSession
from server.db.steps import read_steps
from server.db.tables import RunRow
from server.db.turns import ACTIVE, make_way, unfinished
from server.errors import Conflict, NotFound
from server.resources.pages import Page, PageQuery
from server.resources.runs import NewFork, NewRun, Run, RunStatus, Step


@dataclass(frozen=True)
class Claim:
    """A run in this process's hands. `attempt` is the token that every write must show."""

    run_id: str
    conversation_id: str
    owner: str
    role: Role
    agent_id: str
    revision: int
    input_id: str
    limits: Limits
    attempt: int
    losses: int
    started: bool
    """Whether the log holds events already."""
    cancel_requested: bool
    head_start: HeadStart | None
    """What it takes over from the run it was forked from."""


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
        once = Once()

        async def work(session: WriteSession) -> Run:
            if earlier := await once.find(session, RunRow):
                return _resource(earlier)
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
            await once.note(session, row.id)
            return _resource(row)

        return await self._database.write(work)

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
        once = Once()

        async def work(session: WriteSession) -> Run:
            if earlier := await once.find(session, RunRow):
                return _resource(earlier)
            source = await get_run(session, owner, run_id)
            await get_conversation(session, owner, source.conversation_id, locked=True)
            check_forkable(source)
            wanted = NewRun(agent_id=choose_agent(source, new, agents), metadata=new.metadata)
            row = _new_row(owner, role, source.conversation_id, wanted, revision, source.input_id)
            row.id = after(await _find_newest(session, source.conversation_id), row.id)
            row.limits, row.forked_from = source.limits, source.id
            row.head_start = await read_head_start(session, source, new, row.id)
            session.add(row)
            await once.note(session, row.id)
            return _resource(row)

        return await self._database.write(work)

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

    async def claim(self, run_id: str, *, lost: bool = False) -> Claim | None:
        """Takes a run if it is its turn; None if it has ended, is held, or another of its conversation goes first.

        With `lost`, a run that says `running` is taken too: only who knows that its holder is dead may say so.
        """
        other = aliased(RunRow)
        earlier = and_(other.status == "queued", other.id < RunRow.id)
        ahead = exists().where(
            other.conversation_id == RunRow.conversation_id,
            unfinished(other),
            other.id != RunRow.id,
            or_(other.status.in_(("running", "requires_action")), earlier),
        )
        held = RunRow.status == "running"
        free = and_(RunRow.status == "queued", ~ahead)
        guarded = (
            update(RunRow)
            .where(RunRow.id == run_id, or_(free, held) if lost else free)
            .values(
                status="running",
                attempt=RunRow.attempt + 1,
                losses=RunRow.losses + case((held, 1), else_=0),
                started_at=func.coalesce(RunRow.started_at, datetime.now(UTC)),
            )
            .returning(RunRow)
        )

        async def work(session: WriteSession) -> Claim | None:
            row = await session.scalar(guarded)
            if row is None:
                return None
            await settle_parents(session, row.input_id)
            return _claim(row)

        try:
            return await self._database.write(work)
        except IntegrityError:  # another process took another run of this conversation at the same moment
            return None

    async def hand_back(self, run_id: str, attempt: int) -> None:
        """Puts a run back in the queue, to be carried on by whoever claims it next."""
        guard = (RunRow.id == run_id, RunRow.attempt == attempt, RunRow.status == "running")

        async def work(session: WriteSession) -> None:
            await session.execute(update(RunRow).where(*guard).values(status="queued"))

        await self._database.write(work)

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

    async def unfinished(self) -> list[str]:
        """Returns the ids of runs that are under way or queued, in the order they are to be taken."""
        rows = select(RunRow.id).where(RunRow.status.in_(("running", "queued")))
        async with self._database.read() as session:
            return list(await session.scalars(rows.order_by(RunRow.status.desc(), RunRow.id)))

    async def find_next(self, conversation_id: str) -> str | None:
        """Returns the id of the run whose turn is next in a conversation."""
        queued = (RunRow.conversation_id == conversation_id, unfinished(), RunRow.status == "queued")
        rows = select(RunRow.id).where(*queued).order_by(RunRow.id).limit(1)
        async with self._database.read() as session:
            return await session.scalar(rows)

    async def unwanted(self, conversation_id: str | None = None) -> list[str]:
        """Returns the ids of the runs that are to be cancelled and have not ended, of one conversation or of all."""
        rows = select(RunRow.id).where(unfinished(), RunRow.cancel_requested.is_(True))
        if conversation_id is not None:
            rows = rows.where(RunRow.conversation_id == conversation_id)
        async with self._database.read() as session:
            return list(await session.scalars(rows.order_by(RunRow.id)))


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
        next_seq=1,
        cancel_requested=False,
        usage=Usage(),
        labels=new.metadata,
        created_at=datetime.now(UTC),
    )


def _claim(row: RunRow) -> Claim:
    return Claim(
        run_id=row.id,
        conversation_id=row.conversation_id,
        owner=row.owner,
        role=row.role,
        agent_id=row.agent_id,
        revision=row.revision,
        input_id=row.input_id,
        limits=row.limits,
        attempt=row.attempt,
        losses=row.losses,
        started=row.next_seq > 1,
        cancel_requested=row.cancel_requested,
        head_start=row.head_start,
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
        metadata=row.labels,
        forked_from=row.forked_from,
        attempt=row.attempt,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
