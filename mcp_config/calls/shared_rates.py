"""Tool calls counted in Redis, for all processes together. What it does when Redis is down, `rates.py` decides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import BlockingConnectionPool


@asynccontextmanager
async def open_shared_counter(
    redis_url: str, patience: float, at_once: int
) -> AsyncIterator[SlidingWindowCounterRateLimiter]:
    """Opens without Redis; each answer is waited for so many seconds. No more than so many ask `at_once`."""
    deadlines = {"socket_timeout": patience, "socket_connect_timeout": patience}
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=at_once, timeout=patience, **deadlines)
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
