"""What proves to a server who asks: asked for at the start of each session."""

from collections.abc import Awaitable, Callable

import httpx

Proof = Callable[[], Awaitable[httpx.Auth | None]]


async def no_proof() -> None:
    """What is in the headers is all there is."""
