"""The registry's rows: what agents are now, and what they were at each revision."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import and_, func, select

from config.agents import AgentSpec
from server.db.database import Database
from server.db.paging import page_of
from server.db.sessions import ReadSession, WriteSession
from server.db.tables import AgentRow, AgentVersionRow, RevisionRow
from server.errors import Conflict, NotFound
from server.resources import Page, PageQuery


class Agents:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def seed(self, specs: Sequence[AgentSpec]) -> bool:
        """Fills an empty registry; one that holds anything stays as it is. Returns whether it did."""

        async def work(session: WriteSession) -> bool:
            if await session.scalar(select(func.count()).select_from(RevisionRow)):
                return False
            await _write(session, specs)
            return True

        return await self._database.write(work)

    async def page(self, query: PageQuery) -> Page[AgentSpec]:
        async with self._database.read() as session:
            return await page_of(session, select(AgentRow), AgentRow.id, query, lambda row: row.spec)

    async def get(self, agent_id: str) -> AgentSpec:
        """Raises: NotFound."""
        async with self._database.read() as session:
            return (await _get(session, agent_id)).spec

    async def create(self, spec: AgentSpec) -> AgentSpec:
        """Raises: Conflict, when the id is taken."""

        async def work(session: WriteSession) -> AgentSpec:
            if await session.get(AgentRow, spec.id) is not None:
                raise Conflict("agent_exists", f"There is an agent {spec.id} already; change it with PATCH.")
            await _write(session, [spec])
            return spec

        return await self._database.write(work)

    async def update(self, agent_id: str, change: Callable[[AgentSpec], AgentSpec]) -> AgentSpec:
        """Replaces an agent by what `change` makes of it, with the next version.

        Raises:
            NotFound: there is no such agent.
        """

        async def work(session: WriteSession) -> AgentSpec:
            present = (await _get(session, agent_id)).spec
            changed = change(present).model_copy(update={"version": present.version + 1})
            await _write(session, [changed])
            return changed

        return await self._database.write(work)

    async def revision(self) -> int:
        """Returns the number of the registry's present state; 0 for an empty one."""
        async with self._database.read() as session:
            return await session.scalar(select(func.max(RevisionRow.id))) or 0

    async def created(self) -> dict[str, datetime]:
        """Returns when each agent was made."""
        version = AgentVersionRow
        first = select(version.agent_id, RevisionRow.created_at).where(version.version == 1)
        async with self._database.read() as session:
            rows = await session.execute(first.join(RevisionRow, RevisionRow.id == version.revision))
            return {agent_id: moment for agent_id, moment in rows}  # noqa: C416 - rows are no pairs to the type checker

    async def enabled(self, revision: int | None = None) -> dict[str, AgentSpec]:
        """Returns the enabled agents by id, as they are, or as they were at a revision."""
        return {agent_id: spec for agent_id, spec in (await self.all(revision)).items() if spec.enabled}

    async def all(self, revision: int | None = None) -> dict[str, AgentSpec]:
        """Returns all agents by id, as they are, or as they were at a revision."""
        version = AgentVersionRow
        newest = select(version.agent_id, func.max(version.version).label("version")).group_by(version.agent_id)
        if revision is not None:
            newest = newest.where(version.revision <= revision)
        chosen = newest.subquery()
        same = and_(version.agent_id == chosen.c.agent_id, version.version == chosen.c.version)
        rows = select(version.spec).join(chosen, same).order_by(version.agent_id)
        async with self._database.read() as session:
            return {spec.id: spec for spec in await session.scalars(rows)}


async def _get(session: ReadSession, agent_id: str) -> AgentRow:
    row = await session.get(AgentRow, agent_id)
    if row is None:
        raise NotFound("agent_not_found", f"There is no agent {agent_id}.")
    return row


async def _write(session: WriteSession, specs: Sequence[AgentSpec]) -> None:
    """Makes the next revision of these agents."""
    revision = (await session.scalar(select(func.max(RevisionRow.id))) or 0) + 1
    session.add(RevisionRow(id=revision, created_at=datetime.now(UTC)))
    await session.flush()
    for spec in specs:
        await session.merge(AgentRow(id=spec.id, spec=spec))
        session.add(AgentVersionRow(agent_id=spec.id, version=spec.version, revision=revision, spec=spec))
