"""The queue: whose turn it is, and who holds a run. All changes are guarded, so that a run has one holder at a time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from config.agents import Limits
from config.api_keys import Role
from graph.forking import HeadStart
from server.db.database import Database
from server.db.messages import settle_parents
from server.db.sessions import WriteSession
from server.db.tables import RunRow
from server.db.turns import unfinished


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
    reopenings: int
    """How often it was claimed anew because a model broke off in mid-answer."""
    started: bool
    """Whether the log holds events already."""
    cancel_requested: bool
    head_start: HeadStart | None
    """What it takes over from the run it was forked from."""


class RunQueue:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, run_id: str, *, lost: bool = False) -> Claim | None:
        """Takes a run if it is its turn; None if it has ended, is held, or another of its conversation goes first.

        With `lost`, a run that says `running` is taken too: only who knows that its holder is dead may say so.
        """
        held = RunRow.status == "running"
        guarded = (
            update(RunRow)
            .where(RunRow.id == run_id, or_(_is_free(), held) if lost else _is_free())
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

    async def unfinished(self) -> list[str]:
        """Returns the ids of runs that are under way or queued, in the order they are to be taken."""
        rows = select(RunRow.id).where(RunRow.status.in_(("running", "queued")))
        async with self._database.read() as session:
            return list(await session.scalars(rows.order_by(RunRow.status.desc(), RunRow.id)))

    async def due(self) -> list[str]:
        """Returns the ids of runs that somebody should be at: under way, or queued and next in their conversation."""
        rows = select(RunRow.id).where(unfinished(), or_(RunRow.status == "running", _is_free()))
        async with self._database.read() as session:
            return list(await session.scalars(rows))

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


def _is_free() -> ColumnElement[bool]:
    """Queued, and no other run of the conversation goes first."""
    other = aliased(RunRow)
    earlier = and_(other.status == "queued", other.id < RunRow.id)
    ahead = exists().where(
        other.conversation_id == RunRow.conversation_id,
        unfinished(other),
        other.id != RunRow.id,
        or_(other.status.in_(("running", "requires_action")), earlier),
    )
    return and_(RunRow.status == "queued", ~ahead)


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
        reopenings=row.reopenings,
        started=row.next_seq > 1,
        cancel_requested=row.cancel_requested,
        head_start=row.head_start,
    )
