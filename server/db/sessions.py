"""Two kinds of session, so that the types tell a query from a change. Commits are the write queue's work alone."""

from collections.abc import Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


class ReadSession(AsyncSession):
    """Sees the last committed state. Queries take this type: they work in a write session too."""


class WriteSession(ReadSession):
    """One piece of work inside the write queue's transaction, in a savepoint of its own."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        self.on_commit: Final[list[Callable[[], None]]] = []
        """Called once the work is durable, even if nobody waits for it any more."""
