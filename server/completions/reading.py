"""One client's reading of the run that answers it: as lines, or whole; and what becomes of the run if it hangs up."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from graph.events import TERMINAL, Failure, RunCancelled, RunCompleted, RunEvent, RunFailed, Usage, run_events
from server.application import Application
from server.completions.chunks import CANCELLED, DONE, Completion, Dialect, Line, encode
from server.completions.presence import while_there
from server.completions.telling import Telling
from server.completions.terms import OnDisconnect
from server.completions.waiting import tell_waiting
from server.db.answer import build_answer
from server.errors import Failed, Unavailable
from server.resources.approvals import Approval
from server.resources.pages import PageQuery
from server.sse import EventStream, pulsed

_BROKEN: Final = Failure(code="internal_error", detail="The stream broke; the server's log says why.")
_STOPPING: Final = Failure(code="server_stopping", detail="The server is stopping; the run goes on after its restart.")

_log = structlog.stdlib.get_logger("server.completions")


class Reading:
    def __init__(self, app: Application, owner: str, telling: Telling, on_disconnect: OnDisconnect) -> None:
        self._app, self._owner, self._telling, self._on_disconnect = app, owner, telling, on_disconnect
        self._run = telling.run
        self._ended = False
        self._questions: list[Approval] = []
        """What the run waits for, once the events have ended at that."""

    async def events(self) -> AsyncGenerator[RunEvent, None]:
        """Yields the events to the terminal one, or to where the run waits for a person."""
        after = 0
        while not (self._ended or self._questions or self._app.draining.is_set()):
            follow = self._app.engine.follow(self._owner, self._run.id, after, until_waiting=True)
            async with aclosing(follow) as logged:
                async for each in logged:
                    after, self._ended = each.seq, each.type in TERMINAL
                    yield run_events.validate_json(each.json)
            if not self._ended:
                query = PageQuery(limit=100, order="asc")
                open_ones = await self._app.store.approvals.page(self._owner, query, "pending", self._run.id)
                self._questions = open_ones.data

    def stream(self, dialect: Dialect, headers: dict[str, str]) -> EventStream:
        return _Stream(self, dialect, self._app, headers)

    async def lines(self, dialect: Dialect) -> AsyncGenerator[bytes, None]:
        """Yields the role at once, then what the dialect tells of each event, and a word if the log breaks off."""
        for line in dialect.begin(self._telling.preface):
            yield encode(line)
        completed = False
        try:
            async with aclosing(self.events()) as events, aclosing(self._telling.mark(events)) as marked:
                async for event, news in marked:
                    completed = isinstance(event, RunCompleted)
                    told = [*dialect.tell(event)]  # also what is passed over: the dialect has to know it
                    for line in told if news else ():
                        yield encode(line)
            failure = None if self._ended or self._questions else _STOPPING
            for line in dialect.pause(self._questions) if self._questions else ():
                yield encode(line)
        except Exception:
            _log.exception("a completion's stream broke", run_id=self._run.id)
            failure = _BROKEN
        for line in dialect.fail(failure) if failure else ():
            yield encode(line)
        if completed or self._questions:
            yield DONE

    async def whole(self, completion: Completion, request: Request) -> Line:
        """Returns the answer once it is there.

        Raises:
            Failed: the run did not complete, or the client is gone.
            Unavailable: the server is stopping.
        """
        try:
            marked = await while_there(request, self._collect())
            usage = Usage() if self._questions else _usage_of(marked[-1][0] if marked else None)
            asked = tell_waiting(self._questions) if self._questions else ""
            said = [self._telling.preface, _news_of(marked), asked]
            return completion.whole("\n\n".join(filter(None, said)), usage)
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Called when nobody reads any more: the run is cancelled if it was made for this client alone."""
        left = not (self._ended or self._questions or self._telling.preface or self._app.draining.is_set())
        if self._on_disconnect == "cancel" and left:
            await self._app.engine.cancel(self._owner, self._run.id)

    async def _collect(self) -> list[tuple[RunEvent, bool]]:
        async with aclosing(self.events()) as events, aclosing(self._telling.mark(events)) as marked:
            return [each async for each in marked]


class _Stream(EventStream):
    """Leaves the run once the response is over, however it ended and however early."""

    def __init__(self, reading: Reading, dialect: Dialect, app: Application, headers: dict[str, str]) -> None:
        farewell = b"".join(map(encode, dialect.fail(_STOPPING)))
        super().__init__(pulsed(reading.lines(dialect), app.draining, farewell), headers, app.reader_timeout)
        self._reading = reading

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._reading.leave()


def _usage_of(end: RunEvent | None) -> Usage:
    match end:
        case RunCompleted(usage=usage):
            return usage
        case RunFailed(error=error):
            raise Failed(error.code, error.detail)
        case RunCancelled():
            raise Failed(CANCELLED.code, CANCELLED.detail)
        case _:
            raise Unavailable(_STOPPING.code, _STOPPING.detail)


def _news_of(marked: Sequence[tuple[RunEvent, bool]]) -> str:
    """Returns the answer, without what of it was told before."""
    answer = build_answer(event for event, _ in marked)
    return answer.removeprefix(build_answer(event for event, news in marked if not news)).lstrip("\n")
