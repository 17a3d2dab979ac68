"""Rate limits on tool calls: counted in this process, or in Redis for all processes together.

Redis that is down costs precision, never a call: each process then counts for itself, and says so in the log.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from config.policies import ToolPolicies
from mcp_config.calls.decision import build_settings
from mcp_config.names import order_by_precision
from mcp_config.tools import Allowance, Caller, RateScope

T = TypeVar("T")
_REDIS_SECONDS: Final = 2.0
"""A Redis that takes longer counts as down. On a busy machine an answer may lie there for a while before it is read."""
_RETRY_SECONDS: Final = 5.0
_AT_ONCE: Final = 16
"""When more call at once, they wait for one another: a queue of our own says nothing of Redis."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rate:
    """One limit that a call comes under, and whose count it is."""

    scope: RateScope
    name: str
    text: str
    """Such as `30/minute`."""


def build_rates(policies: ToolPolicies, caller: Caller, tool: str) -> list[Rate]:
    """Returns the limits that this call comes under: of its user, its agent, its tool."""
    found: list[tuple[RateScope, str, str | None]] = [
        ("user", caller.owner, _most_specific(policies.rates.users, caller.owner)),
        ("agent", caller.agent or "", _most_specific(policies.rates.agents, caller.agent) if caller.agent else None),
        ("tool", tool, build_settings(policies, tool).rate),
    ]
    return [Rate(scope, name, text) for scope, name, text in found if text]


def _most_specific(rates: Mapping[str, str], name: str) -> str | None:
    matching = order_by_precision(rates, name)
    return rates[matching[-1]] if matching else None


class RateLimits:
    def __init__(self, shared: SlidingWindowCounterRateLimiter | None = None) -> None:
        """`shared` counts for all processes; without it, or while it fails, this process counts alone."""
        self._shared = shared
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._alone_until: float | None = None

    async def take(self, rates: Sequence[Rate]) -> tuple[bool, tuple[Allowance, ...]]:
        """Counts one call, if all limits allow it; a call that is refused counts nowhere. Returns what is left."""
        return await self._asked(lambda limiter: _take(limiter, rates))

    async def look(self, rates: Sequence[Rate]) -> tuple[Allowance, ...]:
        """Returns what is left, and counts nothing."""
        return await self._asked(lambda limiter: _look(limiter, rates))

    async def _asked(self, question: Callable[[SlidingWindowCounterRateLimiter], Awaitable[T]]) -> T:
        if self._shared:
            async with self._places:
                if not self._is_alone():
                    try:
                        answer = await question(self._shared)
                    except StorageError as error:
                        self._alone_until = time.monotonic() + _RETRY_SECONDS
                        _log.warning("Redis does not answer (%s): rate limits are counted in this process alone", error)
                    else:
                        self._alone_until = None
                        return answer
        return await question(self._own)

    def _is_alone(self) -> bool:
        """Whether Redis is not to be asked. When it may be again, one call finds out, and the others need not wait."""
        if self._alone_until is None:
            return False
        if time.monotonic() < self._alone_until:
            return True
        self._alone_until = time.monotonic() + _RETRY_SECONDS
        return False


@contextlib.asynccontextmanager
async def open_rate_limits(redis_url: str | None, patience: float = _REDIS_SECONDS) -> AsyncIterator[RateLimits]:
    """Yields limits that are counted in Redis, where its address is given. An answer is waited for so many seconds."""
    if redis_url is None:
        yield RateLimits()
        return
    from mcp_config.calls.shared_rates import open_shared_counter  # noqa: PLC0415 - Redis's client is big, and few have one

    async with open_shared_counter(redis_url, patience, _AT_ONCE) as counter:
        yield RateLimits(counter)


@lru_cache
def _parsed(text: str) -> RateLimitItem:
    return parse(text)


async def _take(limiter: SlidingWindowCounterRateLimiter, rates: Sequence[Rate]) -> tuple[bool, tuple[Allowance, ...]]:
    items = [(_parsed(rate.text), rate) for rate in rates]
    allowed = all([await limiter.test(item, rate.scope, rate.name) for item, rate in items])
    allowed = allowed and all([await limiter.hit(item, rate.scope, rate.name) for item, rate in items])
    return allowed, await _look(limiter, rates)


async def _look(limiter: SlidingWindowCounterRateLimiter, rates: Sequence[Rate]) -> tuple[Allowance, ...]:
    return tuple([await _allowance(limiter, _parsed(rate.text), rate) for rate in rates])


async def _allowance(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, rate: Rate) -> Allowance:
    window = item.get_expiry()
    reset, remaining = await limiter.get_window_stats(item, rate.scope, rate.name)
    # a full window slides out one call at a time: the first place is free one share of it after its end
    wait = max(0.0, reset - time.time()) + (0 if remaining else window / item.amount)
    return Allowance(rate.scope, item.amount, window, remaining, max(1, math.ceil(wait)))
