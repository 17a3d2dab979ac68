"""Carries one claimed run to its end: the graph's events into the log, and a true ending whatever happens.

Knows nothing of queues: who claims, and what comes next, is the engine's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

import structlog

from graph.events import TERMINAL, Failure, RunEvent
from graph.runner import BrokenOff, Drain, Drained, RunInput
from nodes.models.port import NO_USAGE, Usage
from nodes.spending import Spending
from server.db.events import Fenced
from server.db.feed import LoggedEvent
from server.db.queue import Claim
from server.db.store import Store
from server.engine.files import shelve_files
from server.engine.transcript import MAX_MESSAGES, build_window
from server.errors import Unavailable
from server.registry import AgentRegistry, Edition

T = TypeVar("T")
P = ParamSpec("P")
_MAX_LOSSES: Final = 3
"""A run that was in hand each time the process died is taken for the cause."""
_MAX_REOPENINGS: Final = 2
"""How often a run is claimed anew because its model broke off in mid-answer, in its whole life; after that its step
fails."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0

_log = structlog.stdlib.get_logger("server.engine")


class Carrier:
    def __init__(self, claim: Claim, store: Store, registry: AgentRegistry) -> None:
        self._claim, self._store, self._registry = claim, store, registry
        self._log = _log.bind(run_id=claim.run_id, attempt=claim.attempt)
        self._work: asyncio.Task[bool] | None = None
        self._cancelled = claim.cancel_requested
        self._stopped = False
        self._drain, self._draining = Drain(), False
        self._spending = Spending()
        self._last_seq = 0
        """The newest event that is known to be in the log."""

    def cancel(self) -> None:
        """Ends the run as cancelled, as soon as its work has let go."""
        self._cancelled = True
        if self._work:
            self._work.cancel()

    def drain(self) -> None:
        """Hands the run back once the nodes that are at work have ended, to be carried on after the next start."""
        self._draining = True
        self._drain.request()

    def stop(self) -> None:
        """Hands the run back at once."""
        self._stopped = True
        if self._work:
            self._work.cancel()

    async def carry(self) -> None:
        """Returns once the run has ended, waits for a person, or was handed back. Raises only what is a bug."""
        try:
            if await self._carry():
                edition = await self._registry.edition(self._claim.revision)
                await edition.runner.forget(self._claim.run_id)
        except Fenced:
            self._log.info("run is no longer ours")

    async def _carry(self) -> bool:
        """Returns whether the run has ended."""
        if self._claim.losses >= _MAX_LOSSES:
            return await self._fail("worker_lost", "The server went down each time it carried this run.")
        while not (self._cancelled or self._stopped):
            self._work = asyncio.create_task(self._stream(), name=f"carry {self._claim.run_id}")
            await asyncio.wait([self._work])
            if not self._work.cancelled() and not isinstance(self._work.exception(), Drained):
                return await self._conclude(self._work)
            if self._work.cancelled() or not isinstance(self._work.exception(), BrokenOff):
                break
            await self._claim_anew()
        if self._cancelled:
            await patiently(self._store.events.cancel, self._claim.run_id, self._claim.attempt, self._usages())
            return True
        await self._store.queue.hand_back(self._claim.run_id, self._claim.attempt)
        return False

    async def _claim_anew(self) -> None:
        """Goes on in a new attempt, in which the step whose model broke off starts over. Raises: Fenced."""
        claim, reopenings = self._claim, self._claim.reopenings + 1
        attempt = await patiently(self._store.events.claim_anew, claim.run_id, claim.attempt, claim.losses, reopenings)
        self._claim = replace(claim, attempt=attempt, reopenings=reopenings, started=True)
        self._log = self._log.bind(attempt=attempt)
        if self._draining:
            self._stopped = True
        self._drain = Drain()

    async def _conclude(self, work: asyncio.Task[bool]) -> bool:
        error = work.exception()
        if error is None:
            return work.result() or await self._suspend()
        if isinstance(error, Fenced):
            raise error
        self._log.error("run broke", exc_info=error)
        return await self._fail("internal_error", "Something went wrong inside the server; its log says what.")

    async def _fail(self, code: str, detail: str) -> bool:
        failure = Failure(code=code, detail=detail)
        await patiently(self._store.events.fail, self._claim.run_id, self._claim.attempt, failure, self._usages())
        return True

    def _usages(self) -> dict[str, Usage]:
        return {step_id: step.usage for step_id, step in self._spending.steps.items() if step.usage != NO_USAGE}

    async def _suspend(self) -> bool:
        """Lets the run wait for a person. Nobody cancels this half-way: who wants to has only set a mark."""
        await patiently(self._store.approvals.suspend, self._claim.run_id, self._claim.attempt)
        return self._cancelled and await patiently(self._store.events.cancel_idle, self._claim.run_id)

    async def _stream(self) -> bool:
        """Returns whether the run has ended; else it waits for a person.

        Writes each batch before it asks for the next: asking is what tells the graph that the one before is safe.
        """
        edition = await patiently(self._registry.edition, self._claim.revision)
        run = await patiently(self._input, edition)
        ended, written = False, dict[str, Usage]()
        async with aclosing(edition.runner.run(run)) as batches:
            async for batch in batches:
                ended, usages = batch[-1].type in TERMINAL, self._usages()
                news = usages.items() if ended else usages.items() - written.items()
                await self._append(batch, dict(news))
                written = usages
        return ended

    async def _append(self, batch: Sequence[RunEvent], usages: Mapping[str, Usage]) -> None:
        """Writes a batch once, also when a try failed of which nobody can say whether it was committed."""
        again_after: int | None = None

        async def write() -> list[LoggedEvent]:
            nonlocal again_after
            known, again_after = again_after, self._last_seq
            return await self._store.events.append(self._claim.run_id, self._claim.attempt, batch, usages, known)

        self._last_seq = (await patiently(write))[-1].seq

    async def _input(self, edition: Edition) -> RunInput:
        claim = self._claim
        tokens = edition.context_tokens(claim.agent_id)
        branch = await self._store.messages.branch(claim.input_id, MAX_MESSAGES)
        branch = await shelve_files(self._store, claim, branch, tokens)
        summary = await self._store.summaries.find(claim.input_id)
        if claim.started:
            self._spending = await self._store.spending.read(claim.run_id)
        return RunInput(
            run_id=claim.run_id,
            conversation_id=claim.conversation_id,
            agent_id=claim.agent_id,
            messages=build_window(branch, tokens, summary),
            owner=claim.owner,
            role=claim.role,
            attempt=claim.attempt,
            started=claim.started,
            head_start=claim.head_start,
            bounds=self._registry.budgets.bounds(claim.limits),
            spending=self._spending,
            may_reopen=claim.reopenings < _MAX_REOPENINGS,
            earlier_calls=await self._store.tool_calls.outcomes(claim.run_id) if claim.attempt > 1 else {},
            used=await self._store.tool_calls.tools_used(claim.run_id) if claim.attempt > 1 else (),
            read=await self._store.tool_calls.tools_read(claim.run_id),
            answers=await self._store.approvals.answers(claim.run_id) if claim.attempt > 1 else {},
            drain=self._drain,
        )


async def patiently(work: Callable[P, Awaitable[T]], *args: P.args, **options: P.kwargs) -> T:
    """Does `work` again until the database can: an accepted run is never lost because a disk was full for a while."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return await work(*args, **options)
        except Unavailable as error:
            _log.warning("database unavailable; will try again", code=error.code, detail=str(error), seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
