"""Tool calls counted in Redis, for all processes together. What it does when Redis is down, `rates.py` decides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import BlockingConnectionPool

_REDIS_SECONDS: Final = 0.5
"""A Redis that takes longer counts as down: it is asked before each call."""
_QUEUE_SECONDS: Final = 2.0
"""For a free connection, when many call at once."""


@asynccontextmanager
async def open_shared_counter(redis_url: str) -> AsyncIterator[SlidingWindowCounterRateLimiter]:
    """Waits for no Redis."""
    deadlines = {"socket_timeout": _REDIS_SECONDS, "socket_connect_timeout": _REDIS_SECONDS}
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=16, timeout=_QUEUE_SECONDS, **deadlines)
    storage = RedisStorage(
        "async+redis://",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="open-agent",
        connection_pool=pool,  # type: ignore[arg-type]  # documented so; its annotation names only plain options
    )
    try:
        yield SlidingWindowCounterRateLimiter(storage)
    finally:
        await pool.aclose()
