"""Between a run and the keeper of its log: what was said waits here in order, and receipts wait for the keeper."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from graph.events import RunEvent

Receipt = asyncio.Future[None]


@dataclass
class Batch:
    """What gathered while the batch before was written down."""

    events: list[RunEvent] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    def acknowledge(self) -> None:
        """Its events are durable: whoever waited for that may act."""
        for receipt in self.receipts:
            if not receipt.done():  # its node may have been cancelled meanwhile
                receipt.set_result(None)


class Outbox:
    """One writer, one reader. Closed once, when nothing more will be said."""

    def __init__(self) -> None:
        self._batch = Batch()
        self._stirred = asyncio.Event()
        self._closed = False

    def put(self, events: Sequence[RunEvent], receipt: Receipt | None = None) -> None:
        self._batch.events.extend(events)
        if receipt:
            self._batch.receipts.append(receipt)
        self._stirred.set()

    def close(self) -> None:
        self._closed = True
        self._stirred.set()

    async def take(self) -> Batch | None:
        """Returns all that waits, as soon as there are events; None at the end.

        Asking for more says that everything taken before is durable, so receipts alone are given at once.
        """
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            batch, self._batch = self._batch, Batch()
            if batch.events:
                self._stirred.set()
                return batch
            batch.acknowledge()
            if self._closed:
                return None
