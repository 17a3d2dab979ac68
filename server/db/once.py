"""What a request with an `Idempotency-Key` makes, it makes once, however often it is sent.

Its key is written in the transaction that makes it: no crash leaves a resource without its key, or the other way round.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from server.db.guard_tables import IdempotencyRow
from server.db.sessions import ReadSession, WriteSession
from server.db.tables import Row
from server.errors import Conflict

RowT = TypeVar("RowT", bound=Row)
MadeT = TypeVar("MadeT", bound="Identified")
KEPT_FOR: Final = timedelta(hours=24)


class Identified(Protocol):
    @property
    def id(self) -> str: ...


@dataclass
class KeyedRequest:
    """A request that may come again. `fingerprint` tells it from another one under the same key."""

    owner: str
    key: str
    fingerprint: str
    made: str | None = None
    """The id of what it made: now, or when it came before."""
    noted: bool = False
    """It has made something now. What comes of that, even after the answer, is not noted again."""


_AT_WORK: Final[ContextVar[KeyedRequest | None]] = ContextVar("keyed_request", default=None)
"""Of the HTTP request that is being answered; so no signature between the edge and the transaction has to carry it."""


@contextmanager
def keyed(request: KeyedRequest) -> Iterator[None]:
    """What is made within, by this task and those that it starts, is made in this request's name."""
    token = _AT_WORK.set(request)
    try:
        yield
    finally:
        _AT_WORK.reset(token)


@contextmanager
def unkeyed() -> Iterator[None]:
    """What is made within, and by what is begun within and goes on for others, is made in no request's name."""
    token = _AT_WORK.set(None)
    try:
        yield
    finally:
        _AT_WORK.reset(token)


def find_made() -> str | None:
    """Returns the id of what the request that is being answered made when it came before."""
    request = _AT_WORK.get()
    return request.made if request else None


class Once:
    """One making, for the request that is being answered; without a key nothing is looked up and nothing noted."""

    def __init__(self) -> None:
        self._request = _AT_WORK.get()

    async def find(self, session: ReadSession, kind: type[RowT]) -> RowT | None:
        """Returns what the request made when it came before."""
        made = self._request.made if self._request else None
        return await session.get(kind, made) if made else None

    async def note(self, session: WriteSession, made: str) -> None:
        """Writes down, in the transaction that makes it, what the request makes.

        Raises:
            Conflict: another process has made something for the same key.
        """
        request = self._request
        if request is None or request.noted:
            return
        await session.flush()
        now = datetime.now(UTC)
        gone = (IdempotencyRow.expires_at <= now) | (IdempotencyRow.resource_id == request.made)
        same = (IdempotencyRow.owner == request.owner, IdempotencyRow.key == request.key)
        await session.execute(delete(IdempotencyRow).where(*same, gone))
        try:
            await session.execute(insert(IdempotencyRow).values(new_row(request, made, now)))
        except IntegrityError as error:
            raise in_progress() from error

        def remember() -> None:
            request.made, request.noted = made, True

        session.on_commit.append(remember)


def made_once(
    kind: type[RowT], resource: Callable[[RowT], MadeT], make: Callable[[WriteSession], Awaitable[MadeT]]
) -> Callable[[WriteSession], Awaitable[MadeT]]:
    """Returns the work of a transaction that makes something, or finds what the same request made before.

    `resource` tells of a row what `make` returns of a new one.
    """
    once = Once()

    async def work(session: WriteSession) -> MadeT:
        if earlier := await once.find(session, kind):
            return resource(earlier)
        made = await make(session)
        await once.note(session, made.id)
        return made

    return work


def in_progress() -> Conflict:
    detail = "A request with this Idempotency-Key is being answered; send it again in a moment."
    return Conflict("idempotency_in_progress", detail, retry_after=1)


def new_row(request: KeyedRequest, made: str | None, now: datetime) -> dict[str, object]:
    return {
        "owner": request.owner,
        "key": request.key,
        "fingerprint": request.fingerprint,
        "resource_id": made,
        "headers": {},
        "created_at": now,
        "expires_at": now + KEPT_FOR,
    }
