"""Artifacts: what was too big for a prompt, or no text, kept whole for its owner. They go when their run goes."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Select, delete, exists, func, select
from sqlalchemy.orm import undefer

from server.db.database import Database
from server.db.paging import page_of
from server.db.runs import get_run
from server.db.sessions import ReadSession, WriteSession
from server.db.tables import ArtifactRow, RunRow
from server.errors import NotFound
from server.resources.artifacts import Artifact, NewArtifact
from server.resources.pages import Page, PageQuery

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one artifact; a server's answer is never longer than half of it."""
MAX_RUN_BYTES: Final = 128 * 1024 * 1024
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What models can be shown."""
_KEPT_WITHOUT_RUN: Final = timedelta(days=30)
"""What no run takes along when it is deleted goes by its age, when its owner's next one comes."""


class Artifacts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, new: NewArtifact, content: bytes) -> bool:
        """Stores an artifact unless it is there already; false when it, or all of its run, is too big to be kept.

        Raises:
            Unavailable: the database could not do it.
        """
        if len(content) > MAX_BYTES:
            return False
        row = ArtifactRow(**new.model_dump(), size=len(content), content=content, created_at=datetime.now(UTC))
        siblings = select(func.coalesce(func.sum(ArtifactRow.size), 0)).where(
            ArtifactRow.owner == new.owner, ArtifactRow.run_id == new.run_id
        )
        outlived = delete(ArtifactRow).where(
            ArtifactRow.owner == new.owner,
            ArtifactRow.run_id.is_(None),
            ArtifactRow.created_at < row.created_at - _KEPT_WITHOUT_RUN,
        )

        async def work(session: WriteSession) -> bool:
            if await session.get(ArtifactRow, new.id) is not None:
                return True
            if new.run_id is None:
                await session.execute(outlived)
            if (await session.scalar(siblings) or 0) + len(content) > MAX_RUN_BYTES:
                return False
            session.add(row)
            return True

        return await self._database.write(work)

    async def get(self, owner: str, artifact_id: str) -> Artifact:
        """Raises: NotFound."""
        async with self._database.read() as session:
            return _resource(await _get(session, owner, artifact_id))

    async def content(self, owner: str, artifact_id: str) -> tuple[Artifact, bytes]:
        """Returns the artifact with its bytes. Raises: NotFound."""
        async with self._database.read() as session:
            row = await _get(session, owner, artifact_id, whole=True)
            return _resource(row), row.content

    async def page(self, owner: str, run_id: str, query: PageQuery) -> Page[Artifact]:
        """Raises: NotFound, for the run."""
        async with self._database.read() as session:
            await get_run(session, owner, run_id)
            rows = select(ArtifactRow).where(ArtifactRow.run_id == run_id)
            return await page_of(session, rows, ArtifactRow.id, query, _resource)

    async def within_reach(self, owner: str, run_id: str) -> bool:
        """Returns whether a run's conversation has any artifact."""
        found = exists().where(ArtifactRow.run_id.in_(_siblings(owner, run_id)))
        async with self._database.read() as session:
            return bool(await session.scalar(select(found)))

    async def find_content(self, owner: str, run_id: str | None, artifact_id: str) -> tuple[Artifact, bytes] | None:
        """Returns an artifact of the owner's; with a run, only one that its conversation has."""
        rows = select(ArtifactRow).where(ArtifactRow.id == artifact_id, ArtifactRow.owner == owner)
        if run_id is not None:
            rows = rows.where(ArtifactRow.run_id.in_(_siblings(owner, run_id)))
        async with self._database.read() as session:
            row = await session.scalar(rows.options(undefer(ArtifactRow.content)))
            return None if row is None else (_resource(row), row.content)

    async def pictures(self, owner: str, call_ids: Collection[str], most: int) -> list[tuple[Artifact, bytes]]:
        """Returns the newest pictures that these calls brought, oldest first."""
        rows = select(ArtifactRow).where(
            ArtifactRow.owner == owner, ArtifactRow.call_id.in_(call_ids), ArtifactRow.media_type.in_(PICTURES)
        )
        rows = rows.order_by(ArtifactRow.created_at.desc(), ArtifactRow.id).limit(most)
        async with self._database.read() as session:
            found = list(await session.scalars(rows.options(undefer(ArtifactRow.content))))
            return [(_resource(row), row.content) for row in reversed(found)]


async def _get(session: ReadSession, owner: str, artifact_id: str, *, whole: bool = False) -> ArtifactRow:
    options = [undefer(ArtifactRow.content)] if whole else []
    row = await session.get(ArtifactRow, artifact_id, options=options)
    if row is None or row.owner != owner:
        raise NotFound("artifact_not_found", f"There is no artifact {artifact_id}.")
    return row


def _siblings(owner: str, run_id: str) -> Select[str]:
    """The runs of a run's conversation, if it is the owner's."""
    conversation = select(RunRow.conversation_id).where(RunRow.id == run_id, RunRow.owner == owner).scalar_subquery()
    return select(RunRow.id).where(RunRow.conversation_id == conversation, RunRow.owner == owner)


def _resource(row: ArtifactRow) -> Artifact:
    return Artifact(
        id=row.id,
        run_id=row.run_id,
        call_id=row.call_id,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        created_at=row.created_at,
    )
