"""Reads that are shared: few of them, and never an old one."""

import asyncio

from server.db.feed import LoggedEvent, Subscription
from server.db.shared_reads import SharedReads
from tests.support.waiting import until


class Source:
    """Something that changes; each read of it waits to be let go."""

    def __init__(self) -> None:
        self.value = 1
        self.reads = 0
        self.gate = asyncio.Event()

    async def read(self, _: str) -> int:
        self.reads += 1
        seen = self.value
        await self.gate.wait()
        return seen


class Askers:
    """Tasks that ask for the same; `all_wait` returns when each of them has."""

    def __init__(self, shared: SharedReads[str, int]) -> None:
        self._shared = shared
        self._asked = 0
        self.tasks: list[asyncio.Task[int]] = []

    async def all_wait(self, number: int) -> list[asyncio.Task[int]]:
        begun = [asyncio.create_task(self._ask()) for _ in range(number)]
        self.tasks += begun
        await until(lambda: self._asked == len(self.tasks))
        return begun

    async def _ask(self) -> int:
        self._asked += 1
        return await self._shared.get("run")


async def test_nobody_is_given_what_was_read_before_they_asked() -> None:
    source = Source()
    askers = Askers(SharedReads(source.read))
    early = await askers.all_wait(5)
    await until(lambda: source.reads)
    source.value = 2
    late = await askers.all_wait(5)
    source.gate.set()
    assert (await asyncio.gather(*early), await asyncio.gather(*late)) == ([1] * 5, [2] * 5)
    assert source.reads == 2


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    source = Source()
    leaving, staying = await Askers(SharedReads(source.read)).all_wait(2)
    leaving.cancel()
    source.gate.set()
    assert await staying == 1


def event(seq: int) -> LoggedEvent:
    return LoggedEvent(seq, "model.delta", str(seq))


def numbers(subscription: Subscription, after: int) -> list[int]:
    return [each.seq for each in subscription.recent(after)]


async def test_what_was_read_and_what_is_told_make_one_piece() -> None:
    subscription = Subscription()
    assert subscription.lacks(0, None)
    subscription.publish([event(5), event(6)])
    assert (numbers(subscription, 4), subscription.lacks(4, None), subscription.lacks(3, None)) == ([5, 6], False, True)
    subscription.remember(2, [event(3), event(4), event(5)])
    assert (numbers(subscription, 2), numbers(subscription, 1)) == ([3, 4, 5, 6], [])
    subscription.remember(5, [event(6), event(7)])
    assert numbers(subscription, 2) == [3, 4, 5, 6, 7]
    subscription.publish([event(9)])
    assert (numbers(subscription, 8), subscription.lacks(6, None)) == ([9], True)


async def test_memory_is_bounded_and_says_how_far_back_it_reaches() -> None:
    subscription = Subscription()
    subscription.remember(0, [event(seq) for seq in range(1, 400)])
    assert subscription.lacks(0, None)
    assert numbers(subscription, 390) == list(range(391, 400))
    assert subscription.last == 399
