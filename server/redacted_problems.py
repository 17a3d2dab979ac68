"""Problems without what must not be seen: whatever raised one, a server's words or a driver's may be in its detail."""

import json
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.redaction import Redactor
from server.application import Application
from server.held_problem import HeldProblem


class RedactedProblems:
    """Rewrites problems; everything else passes untouched, as it was redacted where it was written down."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application: Application | None = scope.get("state", {}).get("application")
        if scope["type"] != "http" or application is None:
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, HeldProblem(send, partial(_redact, application.redactor)).send)


def _redact(redactor: Redactor, start: Message, body: bytes) -> bytes:
    del start  # status and headers tell nothing
    problem = json.loads(body)
    shown = redactor.value(problem)
    return body if shown == problem else json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()
