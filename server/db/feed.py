"""Wakes the readers of a run's log after each commit. It may forget anything: the table is the truth."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from graph.events import TERMINAL

_TAIL: Final = 256
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
        self._tail: deque[LoggedEvent] = deque(maxlen=_TAIL)
        self._changed = asyncio.Event()
        self._closed = False
        self.readers = 0

    def recent(self, after: int) -> list[LoggedEvent]:
        """Returns the events after `after` if memory holds all of them, else nothing."""
        if not self._tail or self._tail[0].seq > after + 1:
            return []
        return [event for event in self._tail if event.seq > after]

    async def news(self, after: int, poll: float | None) -> bool:
        """Waits until there may be events after `after`; false when none will come from this process any more."""
        while not self._closed and not (self._tail and self._tail[-1].seq > after):
            try:
                async with asyncio.timeout(poll):
                    await self._changed.wait()
            except TimeoutError:
                break
        return not self._closed

    def publish(self, events: Sequence[LoggedEvent]) -> None:
        if events and self._tail and events[0].seq != self._tail[-1].seq + 1:
            self._tail.clear()
        self._tail.extend(events)
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

    def close(self) -> None:
        """Ends every reader after what is there: nothing more will come."""
        self._closed = True
        for subscription in self._subscriptions.values():
            subscription.close()

    @property
    def readers(self) -> int:
        return sum(subscription.readers for subscription in self._subscriptions.values())
