"""The event log: the truth about every run. Nothing has happened until it is written here.

Appending is guarded by the claim's attempt, numbers the events without a gap, and brings all rows that tell of the
same facts up to date in the same transaction. An event is published only after that is committed.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from sqlalchemy import insert, select, update

from config.redaction import Redactor
from graph.events import (
    ApprovalRequested,
    ApprovalResolved,
    Failure,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    run_events,
)
from nodes.models.port import Usage
from server.db.closing import read_closing_events, read_newest_attempt, read_opening_events, read_usage
from server.db.database import Database
from server.db.event_reader import EventReader
from server.db.event_text import build_redacted, write_down
from server.db.feed import Feed, LoggedEvent
from server.db.projection import project
from server.db.sessions import ReadSession, WriteSession
from server.db.spending import write_usages
from server.db.tables import EventRow, RunRow
from server.resources.runs import RunStatus

_NOTHING: Final[Mapping[str, Usage]] = MappingProxyType({})


class Fenced(Exception):
    """The run has ended or belongs to a newer claim: its former holder must stop and write nothing more."""


class EventLog(EventReader):
    """Written by whoever holds the run, read by everyone."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        approval_patience: timedelta = timedelta(days=1),
        redactor: Redactor | None = None,
    ) -> None:
        super().__init__(database, feed)
        self._redactor = redactor or Redactor()
        self._patience = approval_patience
        """How long a person may take to answer."""

    async def append(
        self,
        run_id: str,
        attempt: int,
        events: Sequence[RunEvent],
        usages: Mapping[str, Usage] = _NOTHING,
        again_after: int | None = None,
    ) -> list[LoggedEvent]:
        """Writes events of the run and returns them as they are stored, once that is durable.

        A terminal event ends the run: what is still open is closed before it, and the answer is stored with it.
        `usages` is what steps have taken so far, where that is news.

        A failed try may have been committed all the same: the connection was lost before that was heard of. So a
        second try names the newest event before the first, and what the log holds after it is not written again.

        Raises:
            Fenced: the run has ended, or another claim holds it.
            Unavailable: the database could not do it; nothing was written.
        """

        async def work(session: WriteSession) -> list[LoggedEvent]:
            if again_after is not None and (found := await _find_written(session, run_id, events[0], again_after)):
                session.on_commit.append(lambda: self._feed.publish(run_id, found))
                return found
            logged = await self._append(session, run_id, attempt, events)
            await write_usages(session, usages)
            return logged

        return await self._database.write(work)

    async def fail(self, run_id: str, attempt: int, failure: Failure, usages: Mapping[str, Usage] = _NOTHING) -> None:
        """Ends the run as failed. Raises: Fenced, Unavailable."""

        async def work(session: WriteSession) -> None:
            await write_usages(session, usages)
            usage = await read_usage(session, run_id)
            await self._end(session, RunFailed(run_id=run_id, attempt=attempt, error=failure, usage=usage))

        await self._database.write(work)

    async def cancel(self, run_id: str, attempt: int, usages: Mapping[str, Usage] = _NOTHING) -> None:
        """Ends the run as cancelled. Raises: Fenced, Unavailable."""

        async def work(session: WriteSession) -> None:
            await write_usages(session, usages)
            usage = await read_usage(session, run_id)
            await self._end(session, RunCancelled(run_id=run_id, attempt=attempt, usage=usage))

        await self._database.write(work)

    async def claim_anew(self, run_id: str, attempt: int, losses: int, reopenings: int) -> int:
        """Begins another attempt of a run that its holder keeps; returns its number. Raises: Fenced, Unavailable.

        `reopenings` is how often that was done, with this time. It may be done again when nobody can say whether it
        was done: who takes a run from a holder counts a loss, so the next attempt without one is the holder's own.
        """
        ours = (RunRow.attempt.in_((attempt, attempt + 1)), RunRow.losses == losses, RunRow.status == "running")
        next_one = {"attempt": attempt + 1, "reopenings": reopenings}
        claim = update(RunRow).where(RunRow.id == run_id, *ours).values(next_one).returning(RunRow.attempt)

        async def work(session: WriteSession) -> int:
            if (claimed := await session.scalar(claim)) is None:
                raise Fenced(f"run {run_id} is not attempt {attempt}'s to claim anew")
            return claimed

        return await self._database.write(work)

    async def cancel_idle(self, run_id: str) -> bool:
        """Ends the run as cancelled if it waits, for its turn or for a person; returns whether it did.

        Raises: Unavailable.
        """
        return await self._database.write(lambda session: self.end_idle(session, run_id))

    async def end_idle(self, session: WriteSession, run_id: str) -> bool:
        """Does what `cancel_idle` does, within the caller's transaction."""
        guard = (RunRow.id == run_id, RunRow.status.in_(("queued", "requires_action")))
        claim = update(RunRow).where(*guard).values(attempt=RunRow.attempt + 1)
        claimed = (await session.execute(claim.returning(RunRow.attempt, RunRow.status))).one_or_none()
        if claimed is None:
            return False
        attempt, status = claimed
        usage = await read_usage(session, run_id)
        await self._end(session, RunCancelled(run_id=run_id, attempt=attempt, usage=usage), status)
        return True

    async def note(self, session: WriteSession, run: RunRow, event: ApprovalRequested | ApprovalResolved) -> None:
        """Writes, within the caller's transaction, what happened to a run from outside, carried or not.

        The event belongs to the attempt that spoke last: a claim that has not spoken yet still has to say so first.
        """
        attempt = await read_newest_attempt(session, run)
        await self._append(session, run.id, run.attempt, [event.model_copy(update={"attempt": attempt})], run.status)

    def pause(self, session: WriteSession, run_id: str) -> None:
        """Tells readers, once the caller's transaction is committed, that the run waits for a person."""
        session.on_commit.append(lambda: self._feed.pause(run_id))

    async def _append(
        self,
        session: WriteSession,
        run_id: str,
        attempt: int,
        events: Sequence[RunEvent],
        status: RunStatus = "running",
    ) -> list[LoggedEvent]:
        *before, last = events
        if not isinstance(last, RunCompleted | RunFailed | RunCancelled):
            logged = await self._write(session, run_id, attempt, events, status)
        else:
            logged = await self._write(session, run_id, attempt, before, status)
            closing = await read_closing_events(session, last)
            logged += await self._write(session, run_id, attempt, [*closing, last], status)
        session.on_commit.append(lambda: self._feed.publish(run_id, logged))
        return logged

    async def _end(
        self, session: WriteSession, terminal: RunFailed | RunCancelled, status: RunStatus = "running"
    ) -> None:
        run = await session.get_one(RunRow, terminal.run_id, populate_existing=True)
        if (f"run.{run.status}", run.attempt) == (terminal.type, terminal.attempt):
            # it has ended so, by a try whose outcome nobody heard of
            found = await _read_after(session, run.id, run.next_seq - 2)
            session.on_commit.append(lambda: self._feed.publish(run.id, found))
            return
        events = [*await read_opening_events(session, run, terminal.attempt), terminal]
        await self._append(session, run.id, terminal.attempt, events, status)

    async def _write(
        self, session: WriteSession, run_id: str, attempt: int, events: Sequence[RunEvent], status: RunStatus
    ) -> list[LoggedEvent]:
        first = await _reserve(session, run_id, attempt, len(events), status)
        shown = [build_redacted(event, self._redactor) for event in events]
        numbered = [write_down(event.model_copy(update={"seq": first + index})) for index, event in enumerate(shown)]
        logged = [LoggedEvent(event.seq, event.type, text) for event, text in numbered]
        if logged:
            rows = [{"run_id": run_id, "seq": event.seq, "type": event.type, "json": event.json} for event in logged]
            await session.execute(insert(EventRow), rows)
        for event, _ in numbered:
            await project(session, event, self._patience)
        return logged


async def _find_written(session: ReadSession, run_id: str, event: RunEvent, after: int) -> list[LoggedEvent]:
    """Returns all events after `after` if the one that was to be written is among them: batches are written whole."""
    found = await _read_after(session, run_id, after)
    told = (run_events.validate_json(each.json) for each in found if each.type == event.type)
    stored_at = run_events.validate_json(write_down(event)[1]).at  # less exact than it was taken
    shape = (event.type, stored_at, event.attempt)
    return found if any((each.type, each.at, each.attempt) == shape for each in told) else []


async def _read_after(session: ReadSession, run_id: str, after: int) -> list[LoggedEvent]:
    rows = select(EventRow.seq, EventRow.type, EventRow.json).where(EventRow.run_id == run_id, EventRow.seq > after)
    return [LoggedEvent(seq, kind, text) for seq, kind, text in await session.execute(rows.order_by(EventRow.seq))]


async def _reserve(session: WriteSession, run_id: str, attempt: int, count: int, status: RunStatus) -> int:
    """Returns the number of the first of `count` events. Guards everything: who may not write gets no number."""
    guard = (RunRow.id == run_id, RunRow.attempt == attempt, RunRow.status == status)
    taken = update(RunRow).where(*guard).values(next_seq=RunRow.next_seq + count).returning(RunRow.next_seq)
    after = await session.scalar(taken)
    if after is None:
        raise Fenced(f"run {run_id} is not attempt {attempt}'s to write any more")
    return after - count
