"""Group commit: what several runs write at the same time shares one transaction, each piece in its own savepoint."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.db.failures import find_outage, unavailable
from server.db.sessions import WriteSession
from server.errors import Unavailable

T = TypeVar("T")
Work = Callable[[WriteSession], Awaitable[T]]
_GROUP: Final = 64
"""Pieces of work in one transaction: enough to share the disk's sync, few enough to answer soon."""


class _TransactionLostError(Exception):
    """None of the transaction's pieces can be written; the cause says why."""


@dataclass(frozen=True)
class _Piece:
    work: Work[Any]  # Any: the queue passes results through and never looks at them
    outcome: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def run(self, connection: AsyncConnection) -> Callable[[], None] | None:
        """Does the work in a savepoint; returns what settles it once the transaction is committed."""
        trouble: Exception | None = None
        try:
            async with WriteSession(connection) as session, session.begin():
                try:
                    result = await self.work(session)
                    await session.flush()
                except Exception as error:
                    trouble = error
                    raise
        except Exception as error:
            if error is not trouble or find_outage(error):
                # With a full disk SQLite drops the whole transaction: undoing the savepoint fails as well.
                raise _TransactionLostError from trouble or error
            self.refuse(error)  # it was undone, and belongs to whoever asked for the work
            return None
        return lambda: self._settle(result, session.on_commit)

    def _settle(self, result: object, on_commit: list[Callable[[], None]]) -> None:
        for callback in on_commit:
            callback()
        if not self.outcome.done():
            self.outcome.set_result(result)

    def refuse(self, error: Exception) -> None:
        if not self.outcome.done():
            outage = find_outage(error)
            self.outcome.set_exception(unavailable(outage) if outage else error)


class WriteQueue:
    """The one writer of this process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: asyncio.Queue[_Piece | None] = asyncio.Queue()
        self._closed = False

    async def write(self, work: Work[T]) -> T:
        """Runs `work` and returns its result once that is durable.

        Raises:
            Unavailable: the database could not do it; nothing was written.
        """
        if self._closed:
            raise Unavailable("database_unavailable", "The server is stopping.", retry_after=5)
        piece = _Piece(work)
        self._waiting.put_nowait(piece)
        result: T = await piece.outcome
        return result

    async def serve(self) -> None:
        """Commits groups until the queue is closed and empty."""
        while (first := await self._waiting.get()) is not None:
            group = [first]
            while len(group) < _GROUP and not self._waiting.empty():
                piece = self._waiting.get_nowait()
                if piece is None:
                    self._waiting.put_nowait(None)
                    break
                group.append(piece)
            await self._commit(group)

    async def _commit(self, group: list[_Piece]) -> None:
        try:
            async with self._engine.begin() as connection:
                settled = [await piece.run(connection) for piece in group if not piece.outcome.done()]
        except Exception as error:  # the writer outlives any failure; who waits is told
            for piece in group:
                piece.refuse(error)
        else:
            for settle in settled:
                if settle is not None:
                    settle()

    def close(self) -> None:
        self._closed = True
        self._waiting.put_nowait(None)


@asynccontextmanager
async def open_write_queue(engine: AsyncEngine) -> AsyncIterator[WriteQueue]:
    """Yields a queue; at the end everything that was asked for is still written."""
    queue = WriteQueue(engine)
    serving = asyncio.create_task(queue.serve(), name="database writer")
    try:
        yield queue
    finally:
        queue.close()
        await serving
