"""What is not kept for ever, and its removal: in small transactions, so that runs write on beside it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, cast

import aiosqlite
from sqlalchemy import ColumnElement, Text, and_, delete, exists, false, func, select, text, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from server.db.database import Database
from server.db.guard_tables import IdempotencyRow
from server.db.sessions import WriteSession
from server.db.tables import ApprovalRow, ArtifactRow, ConversationRow, EventRow, Row, RunRow, ToolCallRow
from server.db.turns import unfinished

Moment = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
_CHUNK: Final = 50
"""Resources in one transaction; a run has hundreds of rows."""
_PAGES: Final = 1000
"""Of a SQLite file, given back in one transaction: 4 MB."""


@dataclass(frozen=True)
class Terms:
    """What goes: runs that ended before one moment, temporary conversations older than another."""

    runs_before: datetime | None
    """None keeps all."""
    temporary_before: datetime
    now: datetime


@dataclass(frozen=True)
class Removed:
    """How many of each went, or would go."""

    runs: int = 0
    events: int = 0
    tool_calls: int = 0
    """Those by hand; those of runs go with their run, as its steps, approvals and artifacts do."""
    conversations: int = 0
    idempotency_keys: int = 0
    checkpoints: int = 0
    """Runs of which a checkpoint was left."""

    @property
    def nothing(self) -> bool:
        return all(getattr(self, each.name) == 0 for each in fields(self))


@dataclass(frozen=True)
class _Doomed:
    """Rows that go by themselves; what hangs on them goes along."""

    table: type[Row]
    key: InstrumentedAttribute[str]
    condition: ColumnElement[bool]


class Retention:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, terms: Terms) -> Removed:
        """Returns what `remove` would remove now."""
        async with self._database.read() as session:
            found = {
                name: await session.scalar(select(func.count()).select_from(doomed.table).where(doomed.condition)) or 0
                for name, doomed in _doomed(terms).items()
            }
            events = (
                select(func.count())
                .select_from(EventRow)
                .where(EventRow.run_id.in_(select(RunRow.id).where(_before(RunRow.ended_at, terms.runs_before))))
            )
            return _removed(found, await session.scalar(events) or 0)

    async def remove(self, terms: Terms) -> Removed:
        """Removes it, and gives its room in a SQLite file back to the disk. Raises: Unavailable."""
        events = (await self.count(terms)).events
        found = {name: await self._delete(doomed) for name, doomed in _doomed(terms).items()}
        await self._shrink()
        return _removed(found, events)

    async def find_ended(self, run_ids: Collection[str]) -> set[str]:
        """Returns those of these runs that have ended or are gone."""
        async with self._database.read() as session:
            alive = set(await session.scalars(select(RunRow.id).where(unfinished())))
        return set(run_ids) - alive

    async def _delete(self, doomed: _Doomed) -> int:
        some = select(doomed.key).where(doomed.condition).limit(_CHUNK)

        async def work(session: WriteSession) -> int:
            ids = list(await session.scalars(some))
            if ids:
                await session.execute(delete(doomed.table).where(doomed.key.in_(ids), doomed.condition))
            return len(ids)

        total = 0
        while count := await self._database.write(work):
            total += count
        return total

    async def _shrink(self) -> None:
        async def work(session: WriteSession) -> int:
            connection = await session.connection()
            if connection.dialect.name != "sqlite":
                return 0  # PostgreSQL's autovacuum does it
            if await session.scalar(text("PRAGMA auto_vacuum")) != 2:
                return 0  # made by an earlier version: its free room is used again, and stays in the file
            # past SQLAlchemy, which closes what has no columns after the first page
            driver = cast(aiosqlite.Connection, (await connection.get_raw_connection()).driver_connection)
            await (await driver.execute(f"PRAGMA incremental_vacuum({_PAGES})")).fetchall()
            return await session.scalar(text("PRAGMA freelist_count")) or 0

        before = 0
        while (left := await self._database.write(work)) and left != before:
            before = left


def _before(moment: Moment, limit: datetime | None) -> ColumnElement[bool]:
    return moment < limit if limit is not None else false()


def _doomed(terms: Terms) -> Mapping[str, _Doomed]:
    labels = type_coerce(ConversationRow.labels, Text)
    active = exists().where(RunRow.conversation_id == ConversationRow.id, unfinished())
    temporary = and_(
        labels.contains('"temporary":"true"', autoescape=True),
        ConversationRow.created_at < terms.temporary_before,
        ~active,
    )
    by_hand = and_(ToolCallRow.run_id.is_(None), _before(ToolCallRow.ended_at, terms.runs_before))
    kept_results = and_(ArtifactRow.run_id.is_(None), _before(ArtifactRow.created_at, terms.runs_before))
    decided = and_(ApprovalRow.run_id.is_(None), _before(ApprovalRow.resolved_at, terms.runs_before))
    return {
        "runs": _Doomed(RunRow, RunRow.id, _before(RunRow.ended_at, terms.runs_before)),
        "tool_calls": _Doomed(ToolCallRow, ToolCallRow.id, by_hand),
        "artifacts": _Doomed(ArtifactRow, ArtifactRow.id, kept_results),
        "approvals": _Doomed(ApprovalRow, ApprovalRow.id, decided),
        "conversations": _Doomed(ConversationRow, ConversationRow.id, temporary),
        "idempotency_keys": _Doomed(IdempotencyRow, IdempotencyRow.key, IdempotencyRow.expires_at <= terms.now),
    }


def _removed(found: Mapping[str, int], events: int) -> Removed:
    shown = {name: count for name, count in found.items() if name not in ("artifacts", "approvals")}
    return Removed(events=events, **shown)
