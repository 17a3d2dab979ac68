"""Waiting for what other tasks and processes bring about: on the condition, never for a time."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], within: float = 5.0) -> None:
    """Returns when the condition holds.

    Raises:
        TimeoutError: it did not within so many seconds.
    """
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 (what is waited for may be in another process)
            await asyncio.sleep(0.01)
