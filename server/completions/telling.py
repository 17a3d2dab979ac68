"""Which run answers a message, and from where on it is told: the user may have read a part of it, and replied."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from graph.events import TERMINAL, ApprovalResolved, RunEvent
from server.resources.runs import Run


@dataclass(frozen=True)
class Telling:
    run: Run
    since: str = ""
    """The approval with whose answer the news begins; empty for all of the run."""
    preface: str = ""
    """What is said before: the message was not taken, so whoever sent it does not end the run by hanging up."""

    async def mark(self, events: AsyncIterator[RunEvent]) -> AsyncGenerator[tuple[RunEvent, bool], None]:
        """Yields each event with whether it is news to the client."""
        news = not self.since
        async for event in events:
            news = news or event.type in TERMINAL
            news = news or (isinstance(event, ApprovalResolved) and event.approval_id == self.since)
            yield event, news
