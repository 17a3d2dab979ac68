"""The registry's rows: what agents are now, and what they were at each revision."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Text, and_, delete, func, select, type_coerce, update

from config.agents import AgentSpec
from mcp_config.audit import Action, AuditEntry
from server.db.audit import build_audit_row
from server.db.database import Database
from server.db.guard_tables import AuditRow
from server.db.once import made_once
from server.db.paging import page_of, rows_of_page
from server.db.sessions import ReadSession, WriteSession
from server.db.stored_agents import find_flaws
from server.db.tables import AgentRow, AgentVersionRow, RevisionRow
from server.errors import Conflict, NotFound
from server.keys import Principal
from server.resources.agents import AgentVersion
from server.resources.pages import Page, PageQuery


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
            return await page_of(session, select(AgentRow), AgentRow.id, query, _spec)

    async def get(self, agent_id: str) -> AgentSpec:
        """Raises: NotFound."""
        async with self._database.read() as session:
            return (await _get(session, agent_id)).spec

    async def create(self, spec: AgentSpec, by: Principal) -> AgentSpec:
        """Adds an agent; its versions go on where those of an earlier agent with this id ended.

        Raises:
            Conflict: the id is taken.
        """

        async def make(session: WriteSession) -> AgentSpec:
            if await session.get(AgentRow, spec.id) is not None:
                raise Conflict("agent_exists", f"There is an agent {spec.id} already; change it with PATCH.")
            return await _write_next(session, spec, "agent.create", by)

        return await self._database.write(made_once(AgentRow, _spec, make))

    async def update(self, agent_id: str, change: Callable[[AgentSpec], AgentSpec], by: Principal) -> AgentSpec:
        """Replaces an agent by what `change` makes of it, with the next version.

        Raises:
            NotFound: there is no such agent.
        """

        async def work(session: WriteSession) -> AgentSpec:
            return await _write_next(session, change((await _get(session, agent_id)).spec), "agent.update", by)

        return await self._database.write(work)

    async def restore(
        self, agent_id: str, version: int, check: Callable[[AgentSpec, AgentSpec | None], None], by: Principal
    ) -> AgentSpec:
        """Makes what an agent was at a version its next version; one that was deleted is there again.

        `check` is given the old version and the present one, and raises what speaks against it.

        Raises:
            NotFound: there was no such version.
        """

        async def make(session: WriteSession) -> AgentSpec:
            old = (await _get_version(session, agent_id, version)).spec
            present = await session.get(AgentRow, agent_id)
            check(old, present.spec if present else None)
            return await _write_next(session, old, "agent.rollback", by)

        return await self._database.write(made_once(AgentRow, _spec, make))

    async def delete(self, agent_id: str, check: Callable[[AgentSpec], None], by: Principal) -> None:
        """Takes an agent out of the registry; its versions stay. `check` raises what speaks against it.

        Raises:
            NotFound: there is no such agent.
        """

        async def work(session: WriteSession) -> None:
            present = (await _get(session, agent_id)).spec
            check(present)
            revision = await _begin_revision(session)
            last = (AgentVersionRow.agent_id == agent_id, AgentVersionRow.version == present.version)
            await session.execute(update(AgentVersionRow).where(*last).values(removed_in=revision))
            await session.execute(delete(AgentRow).where(AgentRow.id == agent_id))
            session.add(_audited("agent.delete", present, by))

        await self._database.write(work)

    async def versions(self, agent_id: str, query: PageQuery) -> Page[AgentVersion]:
        """Returns what an agent was, also of one that is deleted. A version's number is its cursor.

        Raises:
            NotFound: there never was such an agent.
        """
        rows = select(AgentVersionRow).where(AgentVersionRow.agent_id == agent_id)
        async with self._database.read() as session:
            found, has_more = await rows_of_page(session, rows, AgentVersionRow.version, query)
            if not found and await _last_version(session, agent_id) == 0:
                raise _not_found(agent_id)
            versions = await _dated(session, found)
        return Page.of(versions, [str(each.version) for each in versions], has_more=has_more)

    async def version(self, agent_id: str, version: int) -> AgentVersion:
        """Raises: NotFound."""
        async with self._database.read() as session:
            row = await _get_version(session, agent_id, version)
            return (await _dated(session, [row]))[0]

    async def revision(self) -> int:
        """Returns the number of the registry's present state; 0 for an empty one."""
        async with self._database.read() as session:
            return await session.scalar(select(func.max(RevisionRow.id))) or 0

    async def created(self) -> dict[str, datetime]:
        """Returns when each agent was first made."""
        version = AgentVersionRow
        first = select(version.agent_id, func.min(RevisionRow.created_at)).group_by(version.agent_id)
        async with self._database.read() as session:
            rows = await session.execute(first.join(RevisionRow, RevisionRow.id == version.revision))
            return {agent_id: moment for agent_id, moment in rows}  # noqa: C416 - rows are no pairs to the type checker

    async def enabled(self, revision: int | None = None) -> dict[str, AgentSpec]:
        """Returns the enabled agents by id, as they are, or as they were at a revision."""
        return {agent_id: spec for agent_id, spec in (await self.all(revision)).items() if spec.enabled}

    async def all(self, revision: int | None = None) -> dict[str, AgentSpec]:
        """Returns all agents by id, as they are, or as they were at a revision."""
        return {row.agent_id: row.spec for row in await self._newest(revision) if not _is_gone(row, revision)}

    async def last_known(self) -> dict[str, AgentSpec]:
        """Returns the newest version of every agent there is or ever was, by id."""
        return {row.agent_id: row.spec for row in await self._newest(None)}

    async def flaws(self) -> dict[str, list[str]]:
        """Returns the agents that an earlier version stored with what is not taken any more, and the keys of it."""
        texts = select(AgentRow.id, type_coerce(AgentRow.spec, Text)).order_by(AgentRow.id)
        async with self._database.read() as session:
            found = {agent_id: find_flaws(text) for agent_id, text in await session.execute(texts)}
        return {agent_id: keys for agent_id, keys in found.items() if keys}

    async def _newest(self, revision: int | None) -> Sequence[AgentVersionRow]:
        version = AgentVersionRow
        newest = select(version.agent_id, func.max(version.version).label("version")).group_by(version.agent_id)
        if revision is not None:
            newest = newest.where(version.revision <= revision)
        chosen = newest.subquery()
        same = and_(version.agent_id == chosen.c.agent_id, version.version == chosen.c.version)
        async with self._database.read() as session:
            return (await session.scalars(select(version).join(chosen, same).order_by(version.agent_id))).all()


def _is_gone(row: AgentVersionRow, revision: int | None) -> bool:
    return row.removed_in is not None and (revision is None or row.removed_in <= revision)


def _not_found(agent_id: str) -> NotFound:
    return NotFound("agent_not_found", f"There is no agent {agent_id}.")


def _spec(row: AgentRow) -> AgentSpec:
    return row.spec


async def _get(session: ReadSession, agent_id: str) -> AgentRow:
    row = await session.get(AgentRow, agent_id)
    if row is None:
        raise _not_found(agent_id)
    return row


async def _get_version(session: ReadSession, agent_id: str, version: int) -> AgentVersionRow:
    row = await session.get(AgentVersionRow, (agent_id, version))
    if row is None:
        detail = f"There is no version {version} of an agent {agent_id}; GET /v1/agents/{agent_id}/versions lists them."
        raise NotFound("agent_version_not_found", detail)
    return row


async def _dated(session: ReadSession, rows: Sequence[AgentVersionRow]) -> list[AgentVersion]:
    revisions = {number for row in rows for number in (row.revision, row.removed_in) if number is not None}
    dates = select(RevisionRow.id, RevisionRow.created_at).where(RevisionRow.id.in_(revisions))
    moments: dict[int | None, datetime] = {number: moment for number, moment in await session.execute(dates)}  # noqa: C416 - as above
    return [
        AgentVersion(
            version=row.version,
            created_at=moments[row.revision],
            deleted_at=moments.get(row.removed_in),
            agent=row.spec,
        )
        for row in rows
    ]


async def _last_version(session: ReadSession, agent_id: str) -> int:
    newest = select(func.max(AgentVersionRow.version)).where(AgentVersionRow.agent_id == agent_id)
    return await session.scalar(newest) or 0


async def _write_next(session: WriteSession, spec: AgentSpec, action: Action, by: Principal) -> AgentSpec:
    """Makes this the agent's newest version, and says so in the audit."""
    numbered = spec.model_copy(update={"version": await _last_version(session, spec.id) + 1})
    await _write(session, [numbered])
    session.add(_audited(action, numbered, by))
    return numbered


def _audited(action: Action, spec: AgentSpec, by: Principal) -> AuditRow:
    return build_audit_row(AuditEntry(by.name, by.role, action, spec.id, "ok", detail={"version": spec.version}))


async def _write(session: WriteSession, specs: Sequence[AgentSpec]) -> None:
    """Makes the next revision of these agents."""
    revision = await _begin_revision(session)
    for spec in specs:
        await session.merge(AgentRow(id=spec.id, spec=spec))
        session.add(AgentVersionRow(agent_id=spec.id, version=spec.version, revision=revision, spec=spec))


async def _begin_revision(session: WriteSession) -> int:
    revision = (await session.scalar(select(func.max(RevisionRow.id))) or 0) + 1
    session.add(RevisionRow(id=revision, created_at=datetime.now(UTC)))
    await session.flush()
    return revision
