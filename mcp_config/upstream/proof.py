"""What proves to a server who calls it, where headers alone do not: fetched at the start of each session."""

from collections.abc import Awaitable, Callable

import httpx

Proof = Callable[[], Awaitable[httpx.Auth | None]]
"""Returns what signs the session's requests; None where the headers of the server's entry are enough."""


async def no_proof() -> None:
    """For servers that nobody logs in to."""
