"""Ends an open answer when its reader loses the right to it: to the application it is as if they had left.

What was asked for while the right was there, and gives its whole answer in one piece, is still done and answered.
"""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LEFT: Final[dict[str, Message]] = {
    "http": {"type": "http.disconnect"},
    "websocket": {"type": "websocket.disconnect", "code": 1000},
}
_ENDS: Final[dict[str, Message]] = {
    "http": {"type": "http.response.body", "body": b"", "more_body": False},
    "websocket": {"type": "websocket.close", "code": 4401, "reason": "wrong_api_key"},
}


def lapsing(app: ASGIApp, over: asyncio.Event) -> ASGIApp:
    """Returns the application for one request, whose right to be here ends with `over`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        async def take() -> Message:
            taking, ending = asyncio.ensure_future(receive()), asyncio.ensure_future(over.wait())
            try:
                await asyncio.wait({taking, ending}, return_when=asyncio.FIRST_COMPLETED)
                return taking.result() if taking.done() else _LEFT[scope["type"]]
            finally:
                taking.cancel()
                ending.cancel()

        async def tell(message: Message) -> None:
            nonlocal is_open
            opens = message["type"] in ("http.response.start", "websocket.accept")
            is_open = opens or (is_open and message["type"] != "websocket.close" and message.get("more_body", True))
            await send(message)

        await app(scope, take, tell)
        if is_open and over.is_set():
            await send(_ENDS[scope["type"]])

    return answer
