"""Waiting for what other tasks and processes bring about: on the condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Final

PATIENCE: Final = 60.0
"""Seconds for what is done in one: the machine may be busy with much else, and this only ends a test that hangs."""


async def until(condition: Callable[[], object | Awaitable[object]], within: float = PATIENCE) -> None:
    """Returns when the condition holds; it may have to be awaited.

    Raises:
        TimeoutError: it did not within so many seconds.
    """
    async with asyncio.timeout(within):
        while not await _holds(condition):  # noqa: ASYNC110  (what is waited for may be in another process)
            await asyncio.sleep(0.01)


async def _holds(condition: Callable[[], object | Awaitable[object]]) -> bool:
    said = condition()
    return bool(await said if isawaitable(said) else said)
