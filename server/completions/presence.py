"""Work that is done for a client only while the client is there."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.requests import Request

from server.errors import Failed

T = TypeVar("T")


async def while_there(request: Request, work: Coroutine[None, None, T]) -> T:
    """Returns what `work` does; it is cancelled when the client hangs up. The request's body has been read.

    Raises:
        Failed: the client is gone, so nobody reads this.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Failed("client_gone", "The client hung up before the answer was there.")
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
