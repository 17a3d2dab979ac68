"""The API keys that were made here. They are never removed: a revoked one stays, to be seen."""

from datetime import UTC, datetime

from sqlalchemy import select, update

from config.ids import new_id
from mcp_config.audit import Action, AuditEntry
from server.db.audit import build_audit_row
from server.db.database import Database
from server.db.guard_tables import AuditRow, TokenRow
from server.db.once import Once
from server.db.paging import page_of
from server.db.sessions import WriteSession
from server.errors import Conflict, NotFound
from server.identity.made_keys import MadeKey, find_prefix, make_key, matches
from server.keys import Principal
from server.resources.pages import Page, PageQuery
from server.resources.tokens import MadeToken, NewToken, Token


class Tokens:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, new: NewToken, by: Principal) -> MadeToken:
        """Makes a key; what it is, is known to who gets this answer and to nobody else.

        Raises:
            Conflict: the request made one before, and that is not shown again.
        """
        key = make_key()
        row = _new_row(new, key)
        once = Once()

        async def work(session: WriteSession) -> Token:
            if earlier := await once.find(session, TokenRow):
                detail = f"This request made the key {earlier.id} before. A key is shown once: revoke it, make another."
                raise Conflict("token_shown_once", detail)
            session.add(row)
            await once.note(session, row.id)
            session.add(_entry(by, "token.create", row))
            return _resource(row)

        return MadeToken(**dict(await self._database.write(work)), token=key.secret)

    async def page(self, query: PageQuery) -> Page[Token]:
        async with self._database.read() as session:
            return await page_of(session, select(TokenRow), TokenRow.id, query, _resource)

    async def revoke(self, token_id: str, by: Principal) -> Token:
        """Ends a key, for every server on this database, from the next request on. Once more changes nothing.

        Raises:
            NotFound: there is no such key.
        """

        async def work(session: WriteSession) -> Token:
            row = await session.get(TokenRow, token_id)
            if row is None:
                raise NotFound("token_not_found", "There is no key of this id; `open-agent token list` shows them.")
            if row.revoked_at is None:
                row.revoked_at = datetime.now(UTC)
                session.add(_entry(by, "token.revoke", row))
            return _resource(row)

        return await self._database.write(work)

    async def find(self, offered: str) -> Token | None:
        """Returns the key that is this one and works now."""
        if (prefix := find_prefix(offered)) is None:
            return None
        async with self._database.read() as session:
            row = await session.scalar(select(TokenRow).where(TokenRow.prefix == prefix))
        if row is None or not matches(offered, row.hash):
            return None
        token = _resource(row)
        return token if token.works_at(datetime.now(UTC)) else None

    async def note_use(self, token_id: str, at: datetime) -> None:
        async def work(session: WriteSession) -> None:
            await session.execute(update(TokenRow).where(TokenRow.id == token_id).values(last_used_at=at))

        await self._database.write(work)


def _new_row(new: NewToken, key: MadeKey) -> TokenRow:
    return TokenRow(
        id=new_id("key"),
        name=new.name,
        role=new.role,
        prefix=key.prefix,
        hash=key.hash,
        created_at=datetime.now(UTC),
        expires_at=new.expires_at,
        revoked_at=None,
        last_used_at=None,
    )


def _entry(by: Principal, action: Action, row: TokenRow) -> AuditRow:
    entry = AuditEntry(by.name, by.role, action, row.id, "ok", detail={"name": row.name, "role": row.role})
    return build_audit_row(entry)


def _resource(row: TokenRow) -> Token:
    return Token.model_validate(row, from_attributes=True)
