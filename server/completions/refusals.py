"""Errors in OpenAI's words. What goes wrong on its routes is a problem, as everywhere, and is put into them here,
in the outermost ring, so that this holds for a wrong key and a broken body, too."""

import json
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.held_problem import HeldProblem

_CODES: Final = {"no_api_key": "invalid_api_key", "wrong_api_key": "invalid_api_key"}
"""Where OpenAI has a code of its own that clients know."""


class Refusal(BaseModel):
    """Why a request was refused or its run failed."""

    message: str
    type: str
    param: str | None
    code: str | None


class RefusalObject(BaseModel):
    """OpenAI's error object."""

    error: Refusal


def is_openai_path(path: str) -> bool:
    return path in ("/v1/models", "/v1/chat/completions") or path.startswith("/v1/models/")


class OpenAIRefusals:
    """Rewrites the problems of OpenAI's routes; everything else passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        translated = scope["type"] == "http" and is_openai_path(scope["path"])
        await self._app(scope, receive, HeldProblem(send, _translate).send if translated else send)


def _translate(start: Message, body: bytes) -> bytes:
    headers = MutableHeaders(scope=start)
    headers["Content-Type"] = "application/json"
    if start["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
        headers["x-should-retry"] = "false"  # OpenAI's clients would start the same run twice more
    return RefusalObject(error=build_refusal(json.loads(body))).model_dump_json().encode()


def build_refusal(problem: dict[str, Any]) -> Refusal:  # Any: a problem as JSON
    flaw = (problem.get("errors") or [{}])[0]
    param = flaw.get("parameter") or (flaw.get("pointer") or "").strip("/").replace("/", ".")
    code = problem["code"]
    return Refusal(
        message=problem["detail"], type=_type(problem["status"]), param=param or None, code=_CODES.get(code, code)
    )


def _type(status: int) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_error"
    return "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
