"""Wakes the readers of a run's log after each commit, and keeps the newest events for them. It may forget anything: the
table is the truth."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from graph.events import TERMINAL

_KEPT: Final = 256
"""Newest events of a run kept in memory while somebody reads it; who is further behind reads the table."""


@dataclass(frozen=True)
class LoggedEvent:
    """An event that is durable. `json` is the very text that is stored and sent."""

    seq: int
    type: str
    json: str

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL


class Subscription:
    """One run's news, shared by all its readers."""

    def __init__(self) -> None:
        self._floor: int | None = None
        """Memory holds every event after this one that this process knows of; None for none."""
        self._events: list[LoggedEvent] = []
        self._changed = asyncio.Event()
        self._closed = False
        self._looked = 0.0
        self.pauses = 0
        """How often the run has begun to wait for a person."""
        self.readers = 0
        self.owner: str | None = None
        """Whose run it is, once somebody was let in to read."""

    @property
    def last(self) -> int:
        """How far the log is known to go. It only grows."""
        return (self._floor or 0) + len(self._events)

    @property
    def ended(self) -> bool:
        return bool(self._events) and self._events[-1].terminal

    def recent(self, after: int) -> list[LoggedEvent]:
        """Returns the events after `after` if memory holds all of them, else nothing."""
        if self._floor is None or after < self._floor:
            return []
        return self._events[after - self._floor :]

    def lacks(self, after: int, poll: float | None) -> bool:
        """Returns whether only a look at the table can tell what comes after `after`, and it is time for one."""
        unknown = self._floor is None or after < self._floor
        return unknown or (poll is not None and _now() >= self._looked + poll)

    def look(self) -> None:
        """Notes that one reader looks now; the others need not for a while."""
        self._looked = _now()

    async def news(self, after: int, poll: float | None, pauses: int | None = None) -> bool:
        """Waits until there may be events after `after`; false when none will come from this process any more.

        Who gives the `pauses` that it has seen is also woken by the next one.
        """
        patience = None if poll is None else max(0.0, self._looked + poll - _now())
        while not self._closed and self.last <= after and pauses in (None, self.pauses):
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            except TimeoutError:
                break
        return not self._closed

    def publish(self, events: Sequence[LoggedEvent]) -> None:
        """Takes in what was just committed."""
        if events and (self._floor is None or events[0].seq != self.last + 1):
            self._floor, self._events = events[0].seq - 1, []
        self._keep([*self._events, *events])
        self._wake()

    def remember(self, after: int, events: Sequence[LoggedEvent]) -> None:
        """Takes in what a look found: all there was after `after`."""
        if self._floor is None or after > self.last:
            self._floor, self._events = after, []
        older = [event for event in events if event.seq <= self._floor] if after < self._floor else []
        newer = [event for event in events if event.seq > self.last]
        if older and older[-1].seq == self._floor:
            self._floor = after
            self._keep([*older, *self._events, *newer])
        else:
            self._keep([*self._events, *newer])
        if newer:
            self._wake()

    def _keep(self, events: list[LoggedEvent]) -> None:
        self._events = events[-_KEPT:]
        if self._events:
            self._floor = self._events[0].seq - 1

    def pause(self) -> None:
        self.pauses += 1
        self._wake()

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


Watcher = Callable[[str, Sequence[LoggedEvent]], None]


class Feed:
    """The news of all runs that somebody reads."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._watchers: list[Watcher] = []
        self._closed = False

    def watch(self, watcher: Watcher) -> None:
        """Has `watcher` told of whatever is committed from now on, for all runs; it must neither wait nor raise."""
        self._watchers.append(watcher)

    def find(self, run_id: str) -> Subscription | None:
        """Returns the news of a run that is being read."""
        return self._subscriptions.get(run_id)

    @contextmanager
    def subscribe(self, run_id: str) -> Iterator[Subscription]:
        subscription = self._subscriptions.setdefault(run_id, Subscription())
        if self._closed:
            subscription.close()
        subscription.readers += 1
        try:
            yield subscription
        finally:
            subscription.readers -= 1
            if subscription.readers == 0:
                self._subscriptions.pop(run_id, None)

    def publish(self, run_id: str, events: Sequence[LoggedEvent]) -> None:
        """Hands on what was committed. Never waits: a slow reader finds the rest in the table."""
        if subscription := self._subscriptions.get(run_id):
            subscription.publish(events)
        for watcher in self._watchers:
            watcher(run_id, events)

    def pause(self, run_id: str) -> None:
        """Tells that the run waits for a person: nothing more happens until somebody answers."""
        if subscription := self._subscriptions.get(run_id):
            subscription.pause()

    def close(self) -> None:
        """Ends every reader after what is there: nothing more will come."""
        self._closed = True
        for subscription in self._subscriptions.values():
            subscription.close()

    @property
    def readers(self) -> int:
        return sum(subscription.readers for subscription in self._subscriptions.values())


def _now() -> float:
    return asyncio.get_running_loop().time()
