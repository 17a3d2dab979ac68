"""Logins to upstream tool servers: sealed, each owner's own, never told again."""

from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import delete
from typing_extensions import override

from mcp_config.identity.login_record import LoginRecord, LoginStore
from server.db.database import Database
from server.db.guard_tables import ServerLoginRow
from server.db.sessions import WriteSession
from server.identity.sealing import Seal


class ServerLogins(LoginStore):
    def __init__(self, database: Database, seal: Seal) -> None:
        self._database, self._seal = database, seal

    @override
    async def find(self, owner: str, server: str) -> LoginRecord | None:
        """Returns the login; one that this data folder's key does not open is as good as none.

        Raises:
            Unavailable: the database or the key to it cannot be read.
        """
        async with self._database.read() as session:
            row = await session.get(ServerLoginRow, (owner, server))
        opened = self._seal.open(row.sealed) if row is not None else None
        try:
            return LoginRecord.model_validate_json(opened) if opened is not None else None
        except ValidationError:
            return None  # another version wrote it

    @override
    async def keep(self, owner: str, server: str, record: LoginRecord) -> None:
        """Raises: Unavailable, it cannot be sealed or written."""
        sealed = self._seal.close(record.model_dump_json())
        row = ServerLoginRow(owner=owner, server=server, sealed=sealed, updated_at=datetime.now(UTC))

        async def work(session: WriteSession) -> None:
            await session.merge(row)

        await self._database.write(work)

    @override
    async def forget(self, owner: str, server: str) -> None:
        async def work(session: WriteSession) -> None:
            mine = ServerLoginRow.owner == owner, ServerLoginRow.server == server
            await session.execute(delete(ServerLoginRow).where(*mine))

        await self._database.write(work)
