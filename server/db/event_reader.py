"""Reads a run's log for those who follow it. A thousand readers of one run cost the table little more than one: they
share their looks, and what one has read the others find in memory."""

from collections.abc import AsyncGenerator, Callable
from typing import Final

from sqlalchemy import and_, exists, or_, select

from server.db.database import Database
from server.db.feed import Feed, LoggedEvent, Subscription
from server.db.runs import get_run
from server.db.shared_reads import SharedReads
from server.db.tables import ApprovalRow, EventRow, RunRow
from server.db.turns import ACTIVE
from server.errors import Invalid

_CHUNK: Final = 500
"""Events in one read of a long log."""


class EventReader:
    """Every reader gets all of it: what is stored, then what comes, in the very same bytes."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed
        self._heads = SharedReads(self._read_head)
        self._chunks = SharedReads(self._read_chunk)

    async def read(self, run_id: str, after: int = 0, limit: int = _CHUNK) -> list[LoggedEvent]:
        """Returns the next events after `after`, up to `limit`."""
        rows = select(EventRow.seq, EventRow.type, EventRow.json)
        rows = rows.where(EventRow.run_id == run_id, EventRow.seq > after).order_by(EventRow.seq).limit(limit)
        async with self._database.read() as session:
            return [LoggedEvent(seq, kind, text) for seq, kind, text in await session.execute(rows)]

    async def follow(
        self,
        owner: str,
        run_id: str,
        after: int = 0,
        poll: Callable[[], float | None] = lambda: 1.0,
        *,
        until_waiting: bool = False,
    ) -> AsyncGenerator[LoggedEvent, None]:
        """Yields the events after `after`: those that are there, then each as it comes, up to the terminal one; with
        `until_waiting` only to where the run waits for a person.

        Ends early only when the feed closes. The table is the truth; the feed spares most readers from asking it. A
        run that another process carries wakes nobody here: `poll` says after how many seconds to look, None for never.

        Raises:
            NotFound: the run is not there, or another owner's.
            Invalid: `after` lies beyond the log.
        """
        if not await self.has_more(owner, run_id, after):
            return
        with self._feed.subscribe(run_id) as subscription:
            subscription.owner = owner
            while True:
                pauses = subscription.pauses if until_waiting else None
                events = subscription.recent(after)
                if not events and subscription.lacks(after, poll()):
                    events = await self._look(subscription, run_id, after)
                    if not events and subscription.last > after and await self._is_gone(run_id):
                        return
                for event in events:
                    yield event
                    after = event.seq
                    if event.terminal:
                        return
                if not events and until_waiting and await self._waits(run_id, after):
                    return
                if not events and not await subscription.news(after, poll(), pauses):
                    return

    async def last_seq(self, owner: str, run_id: str) -> int:
        """Returns the number of the newest event, 0 for none. Raises: NotFound."""
        return (await self._heads.get((owner, run_id)))[0]

    async def has_more(self, owner: str, run_id: str, after: int) -> bool:
        """Returns whether anything after `after` is there or may yet come.

        Raises:
            NotFound: the run is not there, or another owner's.
            Invalid: `after` lies beyond the log.
        """
        known = self._feed.find(run_id)
        if known and known.owner == owner and 0 <= after <= known.last:
            return after < known.last or not known.ended
        last, active = await self._heads.get((owner, run_id))
        if not 0 <= after <= last:
            detail = f"The log of this run ends at {last}; there is no event {after} to go on from."
            raise Invalid("unknown_cursor", detail)
        return after < last or active

    async def _is_gone(self, run_id: str) -> bool:
        """Returns whether the log was deleted under its readers: what the feed has told of is not in the table."""
        async with self._database.read() as session:
            return await session.scalar(select(RunRow.id).where(RunRow.id == run_id)) is None

    async def _waits(self, run_id: str, after: int) -> bool:
        """Returns whether the run waits for a person and has said nothing after `after`."""
        asked = exists().where(
            ApprovalRow.run_id == run_id, ApprovalRow.kind == "question", ApprovalRow.status == "pending"
        )
        waits = or_(RunRow.status == "requires_action", and_(RunRow.status == "running", asked))
        async with self._database.read() as session:
            here = (RunRow.id == run_id, RunRow.next_seq == after + 1)
            return await session.scalar(select(RunRow.id).where(*here, waits)) is not None

    async def _look(self, subscription: Subscription, run_id: str, after: int) -> list[LoggedEvent]:
        subscription.look()
        events = await self._chunks.get((run_id, after))
        if len(events) < _CHUNK:
            subscription.remember(after, events)
        return events

    async def _read_chunk(self, key: tuple[str, int]) -> list[LoggedEvent]:
        run_id, after = key
        return await self.read(run_id, after)

    async def _read_head(self, key: tuple[str, str]) -> tuple[int, bool]:
        """Returns how far the log goes, and whether it may go on."""
        owner, run_id = key
        async with self._database.read() as session:
            run = await get_run(session, owner, run_id)
            return run.next_seq - 1, run.status in ACTIVE
