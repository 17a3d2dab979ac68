"""Holds a run and its steps to their seconds at work: when they are used up, whatever is under way is ended.

The clock runs while this process works on the run, so that waiting in the queue or for an approval takes no time.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nodes.budget import Bar, Budget, BudgetExceeded
from nodes.facts import Fact, StepBroken, StepDone, StepOpened


@dataclass(frozen=True)
class _End:
    at: float
    """By the monotonic clock."""
    bar: Bar
    whose: str

    def reached(self) -> BudgetExceeded:
        return self.bar.exceeded(f"the {self.whose} was at work for {self.bar.value:g} seconds")


class Deadlines:
    """One attempt of one run. Open steps are learnt from what the run says."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._steps: dict[str, _End | None] = {}
        self._timer = asyncio.timeout(None)
        bar = budget.run_bar("seconds")
        self._run = _end(bar, budget.spending.seconds, "run")

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Cancels the work inside at the first deadline. Raises `BudgetExceeded` then."""
        try:
            async with self._timer:
                self._wind()
                yield
        except TimeoutError:
            if not self._timer.expired() or (end := self._next) is None:
                raise
            raise end.reached() from None

    def hear(self, fact: Fact) -> None:
        """Learns from a fact which steps are at work."""
        match fact:
            case StepOpened() if fact.step_id not in self._steps:
                spent = self._budget.spending.of(fact.step_id).seconds
                self._steps[fact.step_id] = _end(self._budget.step_bar("seconds", fact.agent), spent, "step")
            case StepDone() | StepBroken():
                self._steps.pop(fact.step_id, None)
            case _:
                return
        self._wind()

    @property
    def _next(self) -> _End | None:
        ends = [end for end in (self._run, *self._steps.values()) if end]
        return min(ends, key=lambda end: end.at, default=None)

    def _wind(self) -> None:
        if not self._timer.expired():  # facts may still be heard on the way out
            end = self._next
            self._timer.reschedule(asyncio.get_running_loop().time() + end.at - time.monotonic() if end else None)


def _end(bar: Bar | None, spent: float, whose: str) -> _End | None:
    return _End(time.monotonic() + bar.value - spent, bar, whose) if bar else None
