"""How long nobody else had a turn of the loop while something was under way."""

import asyncio
import gc
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Turns:
    count: int
    longest: float
    """Seconds that the loop's own thread was at work: how busy the computer is changes nothing."""


async def watch_turns(work: Awaitable[T]) -> tuple[T, Turns]:
    task = asyncio.ensure_future(work)
    count, longest = 0, 0.0
    gc.freeze()  # what pytest and all tests before have gathered would be looked through in the middle of a turn
    try:
        while not task.done():
            began = time.thread_time()
            await asyncio.wait({task}, timeout=0)
            count, longest = count + 1, max(longest, time.thread_time() - began)
    finally:
        gc.unfreeze()
    return await task, Turns(count, longest)
