"""Turns: which runs of a conversation have not ended, and what a new one does to them. Decided in one transaction."""

from collections.abc import Sequence
from typing import Final, assert_never

from sqlalchemy import ColumnElement, bindparam, select, update

from server.db.sessions import ReadSession, WriteSession
from server.db.tables import RunRow
from server.errors import Conflict
from server.resources.runs import Multitask, RunStatus

ACTIVE: Final[tuple[RunStatus, ...]] = ("queued", "running", "requires_action")
"""The states of a run that has not ended."""


def unfinished(runs: type[RunRow] = RunRow) -> ColumnElement[bool]:
    """The condition of the index `unfinished_runs`, word for word: SQLite takes the index for no other wording."""
    return runs.status.in_(bindparam("unfinished", ACTIVE, unique=True, expanding=True, literal_execute=True))


async def find_active(session: ReadSession, conversation_id: str) -> str | None:
    """Returns the id of the conversation's first run that has not ended."""
    rows = select(RunRow.id).where(RunRow.conversation_id == conversation_id, unfinished())
    return await session.scalar(rows.order_by(RunRow.id).limit(1))


def refuse_active(run_id: str | None) -> None:
    """Raises: Conflict, if there is such a run."""
    if run_id is not None:
        detail = f"The run {run_id} of this conversation has not ended; wait for its end or cancel it first."
        raise Conflict("run_active", detail, run_id=run_id)


async def make_way(session: WriteSession, conversation_id: str, multitask: Multitask) -> Sequence[str]:
    """Prepares a conversation for a new run; returns what the runs were asked that are rolled back by it.

    A run that is to go is marked so in this transaction. Whoever holds it, or claims it later, ends it.

    Raises:
        Conflict: the new run gives way, and there is one to give way to.
    """
    match multitask:
        case "enqueue":
            return ()
        case "reject":
            refuse_active(await find_active(session, conversation_id))
            return ()
        case "interrupt" | "rollback":
            displaced = update(RunRow).where(RunRow.conversation_id == conversation_id, unfinished())
            asked = await session.scalars(displaced.values(cancel_requested=True).returning(RunRow.input_id))
            return list(asked) if multitask == "rollback" else ()
        case _:
            assert_never(multitask)
