"""Reads that are shared: few of them, and never an old one."""

import asyncio

from server.db.feed import LoggedEvent, Subscription
from server.db.shared_reads import SharedReads


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


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_nobody_is_given_what_was_read_before_they_asked() -> None:
    source = Source()
    shared = SharedReads(source.read)
    early = [asyncio.create_task(shared.get("run")) for _ in range(5)]
    await turns()
    source.value = 2
    late = [asyncio.create_task(shared.get("run")) for _ in range(5)]
    await turns()
    source.gate.set()
    assert (await asyncio.gather(*early), await asyncio.gather(*late)) == ([1] * 5, [2] * 5)
    assert source.reads == 2


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    source = Source()
    shared = SharedReads(source.read)
    leaving, staying = (asyncio.create_task(shared.get("run")) for _ in range(2))
    await turns()
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
