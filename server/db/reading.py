"""What a run has read: results of its own tools, and those that may stand in what it was given to begin with.

Each answer keeps the names of the tools that were read up to it: the runs that it came from may go before it does.
"""

from collections.abc import Collection

from sqlalchemy import literal, select

from server.db.sessions import ReadSession
from server.db.summaries import LOOK_BACK
from server.db.tables import MessageRow, RunRow, ToolCallRow


async def read_by(session: ReadSession, run: RunRow) -> frozenset[str]:
    """Returns the tools whose results the run has read, or was given: by a fork's head start, or above its question."""
    given = run.head_start.read if run.head_start else ()
    return await used_by(session, [run.id]) | {*given} | await _read_above(session, run.input_id)


async def used_by(session: ReadSession, run_ids: Collection[str]) -> frozenset[str]:
    """Returns the tools whose results these runs have read themselves."""
    calls = select(ToolCallRow.tool).where(ToolCallRow.run_id.in_(run_ids), ToolCallRow.status != "denied")
    return frozenset(await session.scalars(calls.distinct()))


async def _read_above(session: ReadSession, message_id: str) -> frozenset[str]:
    """Returns what the answers above a message may hold. The nearest one tells of all above it as well.

    What lies further up than `LOOK_BACK` messages without an answer is in no prompt, nor in a summary of one.
    """
    start = select(MessageRow.id, MessageRow.parent_id, MessageRow.run_id, MessageRow.tools_read, literal(1).label("n"))
    chain = start.where(MessageRow.id == message_id).cte("above", recursive=True)
    step = select(MessageRow.id, MessageRow.parent_id, MessageRow.run_id, MessageRow.tools_read, chain.c.n + 1)
    untold = (chain.c.tools_read.is_(None), chain.c.n < LOOK_BACK)
    chain = chain.union_all(step.where(MessageRow.id == chain.c.parent_id, *untold))
    answers = select(chain.c.run_id, chain.c.tools_read).where(chain.c.run_id.is_not(None))
    found, of_old = set[str](), list[str]()
    for run_id, tools in await session.execute(answers):
        found.update(tools or ())
        of_old += [run_id] if tools is None else []  # an earlier version wrote the answer
    return frozenset(found) | (await used_by(session, of_old) if of_old else frozenset())
