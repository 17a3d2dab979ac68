"""Problems without what must not be seen: whatever raised one, a server's words or a driver's may be in its detail."""

import json
from typing import cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.application import Application
from server.problems import MEDIA_TYPE


class RedactedProblems:
    """Rewrites problems; everything else passes untouched, as it was redacted where it was written down."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application: Application | None = scope.get("state", {}).get("application")
        if scope["type"] != "http" or application is None:
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Rewriting(application, send).send)


class _Rewriting:
    """Holds a problem back until its body is there, since the length stands in the headers."""

    def __init__(self, application: Application, send: Send) -> None:
        self._application, self._send = application, send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and Headers(scope=message).get("content-type") == MEDIA_TYPE:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += cast(bytes, message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        problem = json.loads(self._body)
        shown = self._application.redactor.value(problem)
        body = self._body if shown == problem else json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()
        MutableHeaders(scope=start)["Content-Length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})
