"""Idempotency keys: what was made under each, and how that was answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, insert, select, update

from server.db.database import Database
from server.db.guard_tables import IdempotencyRow
from server.db.once import KeyedRequest, new_row
from server.db.sessions import WriteSession
from server.db.tables import RunRow


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Kept:
    """What is known of a key."""

    fingerprint: str
    made: str | None
    answer: Answer | None
    """None while the first answer is not out, and for streams: they are told anew from what was made."""


class IdempotencyKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, request: KeyedRequest) -> Kept | None:
        """Returns what is known of the request's key, if it came in the last 24 hours."""
        alive = IdempotencyRow.expires_at > datetime.now(UTC)
        async with self._database.read() as session:
            row = await session.scalar(select(IdempotencyRow).where(*_same(request), alive))
        return _kept(row) if row else None

    async def keep(self, request: KeyedRequest, answer: Answer) -> None:
        """Keeps the answer, to be given again."""
        said = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
        now = datetime.now(UTC)

        async def work(session: WriteSession) -> None:
            await session.execute(delete(IdempotencyRow).where(*_same(request), IdempotencyRow.expires_at <= now))
            held = (*_same(request), IdempotencyRow.fingerprint == request.fingerprint)
            known = update(IdempotencyRow).where(*held).values(said).returning(IdempotencyRow.key)
            if await session.scalar(known) is None:
                await session.execute(insert(IdempotencyRow).values(new_row(request, None, now) | said))

        await self._database.write(work)

    async def free_after_failure(self, request: KeyedRequest) -> None:
        """Forgets the key if the run that was made under it failed or was cancelled, so that a retry starts another."""
        ended_badly = select(RunRow.id).where(RunRow.status.in_(("failed", "cancelled")))

        async def work(session: WriteSession) -> None:
            freed = delete(IdempotencyRow).where(*_same(request), IdempotencyRow.resource_id.in_(ended_badly))
            await session.execute(freed)

        await self._database.write(work)


def _same(request: KeyedRequest) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return IdempotencyRow.owner == request.owner, IdempotencyRow.key == request.key


def _kept(row: IdempotencyRow) -> Kept:
    answered = row.status is not None and row.body is not None
    answer = Answer(row.status or 0, row.headers, row.body or b"") if answered else None
    return Kept(row.fingerprint, row.resource_id, answer)
