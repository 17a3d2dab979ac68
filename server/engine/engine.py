"""The run engine: runs as tasks of this process, over a log that outlives it. A request never owns a run.

One engine works on a database at a time. Unfinished runs are resumed at its start and handed back at its end.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import structlog

from config.agents import ROUTER
from config.api_keys import Role
from server.db.feed import LoggedEvent
from server.db.queue import Claim
from server.db.store import Store
from server.db.turns import ACTIVE
from server.engine.carrier import Carrier, patiently
from server.engine.checkpoints import Checkpoints, prune_checkpoints
from server.engine.lost_questions import close_lost_questions
from server.engine.rounds import EVERY_SECONDS, open_rounds
from server.errors import Invalid
from server.registry import AgentRegistry
from server.resources.runs import NewFork, NewRun, Run

T = TypeVar("T")
_LETTING_GO_SECONDS: Final = 5.0
"""What cancelled work is given to let go."""
_POLL_SECONDS: Final = 10.0
"""Who reads a run that is not at work here is woken by whatever this process commits; a look finds what nobody told."""

_log = structlog.stdlib.get_logger("server.engine")


class Engine:
    def __init__(self, store: Store, registry: AgentRegistry, concurrency: int) -> None:
        self._store, self._registry = store, registry
        self._slots = asyncio.Semaphore(concurrency)
        self._carriers: dict[str, Carrier] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """One task at a time is about a run."""
        self._stopping = False

    async def create_run(
        self, owner: str, role: Role, conversation_id: str, new: NewRun, question: str | None = None
    ) -> Run:
        """Accepts a run. It begins at once, or after the conversation's earlier ones.

        `question` is the user message that it answers; by default the newest one of the newest branch.

        Raises:
            NotFound: the conversation is not there, or another owner's.
            Invalid: there is no such agent, or it is disabled.
            Conflict: there is no user message to answer, or another run is active and this one gives way to it.
        """
        return await self._unbroken(self._create_run(owner, role, conversation_id, new, question))

    async def fork_run(self, owner: str, role: Role, run_id: str, new: NewFork) -> Run:
        """Accepts a run that answers what an ended one answered, and goes another way from a step on.

        Raises:
            NotFound: the run is not there, or another owner's.
            Invalid: there is no such agent, or it is disabled.
            Conflict: the run has not ended, or cannot be forked from this step.
        """
        return await self._unbroken(self._fork_run(owner, role, run_id, new))

    async def cancel(self, owner: str, run_id: str) -> Run:
        """Asks a run to stop and returns it as it is now; asking again changes nothing.

        Raises:
            NotFound: it is not there, or another owner's.
        """
        return await self._unbroken(self._cancel(owner, run_id))

    async def wait_for_end(self, owner: str, run_id: str, seconds: float) -> Run:
        """Returns the run as it is when it has ended, or after so many seconds, or when the engine stops.

        Raises:
            NotFound: it is not there, or another owner's.
        """
        last = await self._store.events.last_seq(owner, run_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), aclosing(self.follow(owner, run_id, last)) as events:
                async for _ in events:
                    pass
        return await self._store.runs.get(owner, run_id)

    async def delete_conversation(self, owner: str, conversation_id: str) -> None:
        """Removes a conversation with all that belongs to it, also runs that wait for their turn or for a person.

        Raises:
            NotFound: it is not there, or another owner's.
            Conflict: a run of it is at work; then everything stays as it is.
        """
        await self._unbroken(self._delete_conversation(owner, conversation_id))

    def wake(self, run_id: str) -> None:
        """Carries on a run that was queued again: what it waited for has come."""
        self._schedule(run_id)

    async def follow(
        self, owner: str, run_id: str, after: int = 0, *, until_waiting: bool = False
    ) -> AsyncGenerator[LoggedEvent, None]:
        """Yields the events after `after`, stored and then live, up to the terminal one or the engine's stop; with
        `until_waiting` only to where the run waits for a person.

        Raises:
            NotFound: the run is not there, or another owner's.
            Invalid: `after` lies beyond the log.
        """

        def poll() -> float | None:
            return None if run_id in self._carriers else _POLL_SECONDS

        async with aclosing(
            self._store.events.follow(owner, run_id, after, poll, until_waiting=until_waiting)
        ) as events:
            async for event in events:
                yield event

    def minds(self, run_id: str) -> bool:
        """Returns whether anything in this process is about the run: it is carried, or waits for a free place."""
        return run_id in self._turns

    def take_up(self, run_id: str) -> None:
        """Carries a run on that was left behind: be sure that nobody minds it."""
        self._schedule(run_id, lost=True)

    async def resume(self) -> list[str]:
        """Takes up every unfinished run: whoever held them is dead. Returns their ids."""
        for run_id in await self._store.queue.unwanted():
            await self._store.events.cancel_idle(run_id)
        unfinished = await self._store.queue.unfinished()
        for run_id in unfinished:
            self._schedule(run_id, lost=True)
        return unfinished

    def drain(self) -> None:
        """Begins no run any more and has those under way stop where it costs least. New ones are kept in the queue."""
        self._stopping = True
        for carrier in self._carriers.values():
            carrier.drain()

    async def drained(self) -> None:
        """Returns once nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Hands the runs back at once and ends the readers."""
        self._stopping = True
        for carrier in self._carriers.values():
            carrier.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LETTING_GO_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._store.feed.close()

    async def _create_run(self, owner: str, role: Role, conversation_id: str, new: NewRun, question: str | None) -> Run:
        edition = await self._registry.present()
        if new.agent_id not in edition.agents:
            detail = f"There is no enabled agent {new.agent_id!r}; GET /v1/agents lists them."
            raise Invalid("unknown_agent", detail, pointer="/agent_id")
        self._registry.budgets.check(new.limits, new.agent_id, edition.agents)
        run = await self._store.runs.create(owner, role, conversation_id, new, edition.revision, question)
        if new.multitask in ("interrupt", "rollback"):
            for displaced in await self._store.queue.unwanted(conversation_id):
                await self._let_go(displaced, conversation_id)
        self._schedule(run.id)
        return run

    async def _fork_run(self, owner: str, role: Role, run_id: str, new: NewFork) -> Run:
        edition = await self._registry.present()
        if new.limits is not None:
            source = await self._store.runs.get(owner, run_id)
            acting = ROUTER if source.agent_id == ROUTER else new.agent_id or source.agent_id
            self._registry.budgets.check(new.limits, acting, edition.agents)
        run = await self._store.runs.fork(owner, role, run_id, new, edition.revision, edition.agents.keys())
        self._schedule(run.id)
        return run

    async def _let_go(self, run_id: str, conversation_id: str) -> bool:
        """Ends a run that is marked as unwanted, or has its carrier do so; returns whether it has ended.

        A claim that comes in between has read the mark, and its carrier cancels the run itself.
        """
        if carrier := self._carriers.get(run_id):
            carrier.cancel()
            return False
        ended = await self._store.events.cancel_idle(run_id)
        if ended:
            await (await self._registry.present()).runner.forget(run_id)
            await self._schedule_next(conversation_id)
        return ended

    async def _cancel(self, owner: str, run_id: str) -> Run:
        run = await self._store.runs.request_cancel(owner, run_id)
        if run.status in ACTIVE and await self._let_go(run_id, run.conversation_id):
            return await self._store.runs.get(owner, run_id)
        return run

    async def _delete_conversation(self, owner: str, conversation_id: str) -> None:
        for run_id in await self._store.conversations.delete(owner, conversation_id):
            await (await self._registry.present()).runner.forget(run_id)

    def _schedule(self, run_id: str, *, lost: bool = False) -> None:
        if not self._stopping:
            self._spawn(self._take(run_id, lost=lost))

    async def _schedule_next(self, conversation_id: str) -> None:
        if run_id := await patiently(self._store.queue.find_next, conversation_id):
            self._schedule(run_id)

    async def _take(self, run_id: str, *, lost: bool) -> None:
        """Claims a run and carries it; a run whose turn it is not is taken up again when the one before it ends."""
        turn = self._turns.setdefault(run_id, asyncio.Lock())
        async with turn, self._slots:
            if self._stopping:
                return
            claim = await self._claim(run_id, lost=lost)
            if claim is None:
                return
            # Nothing is awaited since the claim: whoever wants to cancel the run from now on finds its carrier.
            carrier = self._carriers[run_id] = Carrier(claim, self._store, self._registry)
            if self._stopping:
                carrier.drain()
            try:
                await carrier.carry()
            except Exception:
                _log.exception("carrier broke", run_id=run_id)
            finally:
                del self._carriers[run_id]
        await self._schedule_next(claim.conversation_id)

    async def _claim(self, run_id: str, *, lost: bool) -> Claim | None:
        """A try that failed may have been committed all the same. Then the run says `running`, and it is nobody's but
        ours: in this process only one task at a time is about a run."""
        first = True

        async def claim() -> Claim | None:
            nonlocal first
            again, first = not first, False
            return await self._store.queue.claim(run_id, lost=lost or again)

        return await patiently(claim)

    async def _unbroken(self, work: Coroutine[None, None, T]) -> T:
        """Does `work` to its end even if the caller goes away half-way: what was committed is also acted on."""
        return await asyncio.shield(self._spawn(work))

    def _spawn(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@asynccontextmanager
async def open_engine(
    store: Store,
    registry: AgentRegistry,
    checkpoints: Checkpoints,
    concurrency: int,
    round_every: float = EVERY_SECONDS,
) -> AsyncIterator[Engine]:
    """Yields the engine with all unfinished runs under way. Be sure of the sole use of the database before."""
    async with AsyncExitStack() as stack:
        engine = Engine(store, registry, concurrency)
        stack.push_async_callback(engine.stop)
        await store.tool_calls.give_up_lost()
        await close_lost_questions(store, checkpoints)
        await engine.resume()
        await prune_checkpoints(checkpoints, store.retention.find_ended)
        await stack.enter_async_context(open_rounds(store.queue.due, engine.minds, engine.take_up, round_every))
        yield engine
