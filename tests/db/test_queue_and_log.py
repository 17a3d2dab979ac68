"""Queue and log as a machine: runs are made, claimed, told, cancelled and handed back in any order, and the process
dies between any two statements of the database. The laws of the log hold after every deed."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Engine, event
from typing_extensions import override

from config.ids import new_id
from graph.events import TERMINAL, run_events
from server.db.answer import build_answer
from server.db.feed import LoggedEvent
from server.db.queue import Claim
from server.db.store import open_store
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, converse, ending, opening, queue, words

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUNS = st.integers(0, 5)


class Crash(Exception):
    """The process is gone, in the middle of what it wrote."""


@dataclass
class Fuse:
    """Lets so many statements through, then none: what was not committed is lost."""

    left: int | None = None

    @property
    def burnt(self) -> bool:
        return self.left is not None and self.left < 0

    def burn(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash


@dataclass
class Held:
    claim: Claim
    step_id: str = field(default_factory=lambda: new_id("step"))
    opened: bool = False


class QueueAndLog(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.fuse = Fuse()
        for moment in ("before_cursor_execute", "commit"):
            event.listen(Engine, moment, self.fuse.burn)
        self.runs: list[str] = []
        self.held: dict[str, Held] = {}
        self.logs: dict[str, list[LoggedEvent]] = {}
        self.loop.run(self.open())
        self.talks = [self.loop.run(converse(self.store)) for _ in range(2)]

    async def open(self) -> None:
        self.stack = AsyncExitStack()
        self.store = await self.stack.enter_async_context(open_store(f"sqlite:///{self.folder.name}/app.db"))

    def do(self, deed: Callable[[], Awaitable[object]]) -> None:
        """Does it; if the process dies of it, the next one finds what was committed."""

        async def done() -> None:
            try:
                await deed()
            except Exception:
                if not self.fuse.burnt:
                    raise
                await self.restart()

        self.loop.run(done())

    async def restart(self) -> None:
        self.fuse.left = None
        await self.stack.aclose()
        self.held.clear()
        await self.open()
        for run_id in await self.store.queue.unfinished():
            if claim := await self.store.queue.claim(run_id, lost=True):
                self.held[run_id] = Held(claim)

    def find(self, number: int) -> Held | None:
        return list(self.held.values())[number % len(self.held)] if self.held else None

    @rule(statements=st.integers(0, 6))
    def crash_soon(self, statements: int) -> None:
        self.fuse.left = statements

    @rule()
    def die(self) -> None:
        self.loop.run(self.restart())

    @rule(talk=st.integers(0, 1))
    def make_a_run(self, talk: int) -> None:
        async def deed() -> None:
            self.runs.append((await queue(self.store, self.talks[talk])).id)

        self.do(deed)

    @rule(number=RUNS)
    def take_a_run(self, number: int) -> None:
        async def deed() -> None:
            run_id = self.runs[number % len(self.runs)]
            if claim := await self.store.queue.claim(run_id):
                self.held[run_id] = Held(claim)

        if self.runs:
            self.do(deed)

    @rule(number=RUNS, last=st.booleans())
    def tell(self, number: int, last: bool) -> None:
        held = self.find(number)
        if held is None:
            return
        claim, step_id = held.claim, held.step_id
        start = [] if held.opened else opening(claim, step_id)[0 if not self.logs.get(claim.run_id) else 1 :]
        said = [*start, *words(claim, step_id, "one ", "two "), *(ending(claim, step_id, "one two ") if last else [])]

        async def deed() -> None:
            await self.store.events.append(claim.run_id, claim.attempt, said)
            held.opened = True
            if last:
                del self.held[claim.run_id]

        self.do(deed)

    @rule(number=RUNS)
    def hand_back(self, number: int) -> None:
        held = self.find(number)
        if held is None:
            return

        async def deed() -> None:
            await self.store.queue.hand_back(held.claim.run_id, held.claim.attempt)
            del self.held[held.claim.run_id]

        self.do(deed)

    @rule(number=RUNS)
    def cancel(self, number: int) -> None:
        async def deed() -> None:
            run_id = self.runs[number % len(self.runs)]
            await self.store.runs.request_cancel(OWNER, run_id)
            if held := self.held.get(run_id):
                await self.store.events.cancel(run_id, held.claim.attempt)
                del self.held[run_id]
            else:
                await self.store.events.cancel_idle(run_id)

        if self.runs:
            self.do(deed)

    @invariant()
    def the_laws_hold(self) -> None:
        armed, self.fuse.left = self.fuse.left, None
        self.loop.run(self.check())
        self.fuse.left = armed

    async def check(self) -> None:
        running: list[str] = []
        for run_id in self.runs:
            log = await self.store.events.read(run_id, limit=1000)
            run = await self.store.runs.get(OWNER, run_id)
            assert [each.seq for each in log] == list(range(1, len(log) + 1))
            assert log[: len(before := self.logs.get(run_id, []))] == before
            assert all(each.type == "run.started" for each in log[:1])
            assert [each.type in TERMINAL for each in log[:-1]] == [False] * len(log[:-1])
            ended = bool(log) and log[-1].type in TERMINAL
            assert ended == (run.status in ("completed", "failed", "cancelled"))
            assert not ended or run.status == log[-1].type.removeprefix("run.")
            running += [run.conversation_id] if run.status == "running" else []
            self.logs[run_id] = log
        assert len(running) == len(set(running)), "one run under way in a conversation"

    @override
    def teardown(self) -> None:
        self.fuse.left = None
        try:
            self.loop.run(self.check_ended())
        finally:
            self.loop.run(self.stack.aclose())
            for moment in ("before_cursor_execute", "commit"):
                event.remove(Engine, moment, self.fuse.burn)
            self.loop.close()
            self.folder.cleanup()

    async def check_ended(self) -> None:
        answers: dict[str, str] = {}
        for talk in self.talks:
            page = await self.store.messages.page(OWNER, talk, PageQuery(limit=100))
            answers |= {message.run_id: message.content for message in page.data if message.run_id}
        for run_id, log in self.logs.items():
            if log and log[-1].type in TERMINAL:
                for after in range(len(log)):
                    rest = [each async for each in self.store.events.follow(OWNER, run_id, after)]
                    assert rest == log[after:]
                if log[-1].type == "run.completed":
                    assert answers[run_id] == build_answer(run_events.validate_json(each.json) for each in log)


QueueAndLog.TestCase.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestQueueAndLog = QueueAndLog.TestCase
