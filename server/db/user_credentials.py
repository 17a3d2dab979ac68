"""What users store to be known by at upstream tool servers: sealed, each owner's own, never told again."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select

from mcp_config.audit import Action, AuditEntry
from server.db.audit import build_audit_row
from server.db.database import Database
from server.db.guard_tables import AuditRow, UserCredentialRow
from server.db.sessions import WriteSession
from server.errors import NotFound
from server.identity.sealing import Seal
from server.keys import Principal


class UserCredentials:
    def __init__(self, database: Database, seal: Seal) -> None:
        self._database, self._seal = database, seal

    async def find(self, owner: str) -> Mapping[str, str]:
        """Returns the owner's credentials by name. One that this data folder's key does not open is as good as none.

        Raises:
            Unavailable: the database or the key to them cannot be read.
        """
        opened = {row.name: self._seal.open(row.sealed) for row in await self._rows(owner)}
        return {name: value for name, value in opened.items() if value is not None}

    async def stored(self, owner: str) -> Mapping[str, datetime]:
        """Returns when each was stored, by name."""
        return {row.name: row.updated_at for row in await self._rows(owner)}

    async def set(self, by: Principal, name: str, value: str) -> None:
        """Raises: Unavailable, it cannot be sealed or written."""
        row = UserCredentialRow(owner=by.name, name=name, sealed=self._seal.close(value), updated_at=datetime.now(UTC))

        async def work(session: WriteSession) -> None:
            await session.merge(row)
            session.add(_entry(by, "credential.set", name))

        await self._database.write(work)

    async def delete(self, by: Principal, name: str) -> None:
        """Raises: NotFound, the caller has stored none of this name."""

        async def work(session: WriteSession) -> None:
            row = await session.get(UserCredentialRow, (by.name, name))
            if row is None:
                raise NotFound("credential_not_found", f"You have stored no credential {name}.")
            await session.delete(row)
            session.add(_entry(by, "credential.delete", name))

        await self._database.write(work)

    async def _rows(self, owner: str) -> list[UserCredentialRow]:
        async with self._database.read() as session:
            rows = select(UserCredentialRow).where(UserCredentialRow.owner == owner)
            return [*await session.scalars(rows)]


def _entry(by: Principal, action: Action, name: str) -> AuditRow:
    return build_audit_row(AuditEntry(by.name, by.role, action, name, "ok"))
