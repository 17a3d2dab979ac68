"""Errors as clients see them: RFC 9457 `application/problem+json` with a stable `code`, on every route, always."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.routing import Match

from config.json_pointer import build_pointer
from config.model_flaws import describe, group_misfits
from server.errors import CHALLENGE, HTTP_STATUS, ApiError, NotFound

MEDIA_TYPE: Final = "application/problem+json"
_CODES: Final = {404: "not_found", 405: "method_not_allowed"}
"""Codes of the errors that the router itself raises."""


class Flaw(BaseModel):
    """One part of the request that is wrong: a JSON pointer into the body, or the name of a parameter."""

    model_config = ConfigDict(frozen=True)

    pointer: str | None = None
    parameter: str | None = None
    detail: str


class Problem(BaseModel):
    """What went wrong, for programs (`code`, `errors`) and for people (`detail`)."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["not_found"])
    """Stable: programs decide by it."""
    detail: str = Field(examples=["There is no such run."])
    request_id: str
    """Also in the `X-Request-Id` header and in the server's log."""
    run_id: str | None = Field(None, examples=["run_0198c0de-0000-7000-8000-000000000000"])
    """With `run_active`: the run that stands in the way."""
    errors: list[Flaw] | None = None


def describe_errors(
    media_type: str, model: type[BaseModel], statuses: Iterable[int]
) -> dict[int | str, dict[str, Any]]:
    """Returns what a route says of its errors. Given the model itself, FastAPI would build a validator for each status
    of each route that nothing asks; so it is named, and `server/openapi.py` adds it to the document.
    """
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def build_problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    errors: list[Flaw] | None = None,
    run_id: str | None = None,
) -> Problem:
    title = HTTPStatus(status).phrase
    return Problem(
        title=title, status=status, code=code, detail=detail, request_id=request_id, errors=errors, run_id=run_id
    )


def api_error_response(error: ApiError, request_id: str) -> Response:
    status = HTTP_STATUS[type(error)]
    errors = [Flaw(pointer=error.pointer, detail=str(error))] if error.pointer is not None else None
    headers = dict(error.headers)
    if status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return problem_response(build_problem(status, error.code, str(error), request_id, errors, error.run_id), headers)


def internal_error_response(request_id: str) -> Response:
    """Tells nothing of the cause: that is in the log under the same id."""
    detail = f"Something went wrong on our side. The server's log tells more under the request id {request_id}."
    return problem_response(build_problem(500, "internal_error", detail, request_id))


def add_problem_responses(app: FastAPI) -> None:
    """Makes the app answer each of its errors with a problem."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_api_error(request: Request, error: Exception) -> Response:
    return api_error_response(cast(ApiError, error), request.state.request_id)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    failed = cast(HTTPException, error)
    code = _CODES.get(failed.status_code, f"http_{failed.status_code}")
    detail = (
        f"{request.method} {request.url.path} is not part of this API; see /docs." if code in _CODES.values() else ""
    )
    problem = build_problem(failed.status_code, code, detail or str(failed.detail), request.state.request_id)
    headers = {"Allow": _allowed(request)} if failed.status_code == HTTPStatus.METHOD_NOT_ALLOWED else failed.headers
    return problem_response(problem, headers)


def _allowed(request: Request) -> str:
    """Returns all methods of a path: the router's own answer names those of the first route alone."""
    return ", ".join(
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    )


async def _on_validation_error(request: Request, error: Exception) -> Response:
    invalid = cast(RequestValidationError, error)
    found = invalid.errors()
    if any(each["loc"][0] == "path" for each in found):
        # What cannot be an id names nothing.
        return api_error_response(NotFound("not_found", "There is nothing at this path."), request.state.request_id)
    flaws = _flaws_of_parameters(found) + _flaws_of_body(invalid.body, found)
    detail = "The request does not fit: " + "; ".join(f"{_place(flaw)}: {flaw.detail}" for flaw in flaws[:3])
    return problem_response(build_problem(422, "invalid_request", detail, request.state.request_id, flaws))


def _flaws_of_parameters(found: Sequence[ErrorDetails]) -> list[Flaw]:
    outside = [each for each in found if each["loc"][0] != "body"]
    return [Flaw(parameter=str((each["loc"][1:] or each["loc"])[0]), detail=_message(each)) for each in outside]


def _flaws_of_body(body: JsonValue, found: Sequence[ErrorDetails]) -> list[Flaw]:
    """Names the field that is wrong, where pydantic would name each shape that it tried."""
    inside = [ErrorDetails(**{**each, "loc": each["loc"][1:]}) for each in found if each["loc"][0] == "body"]
    return [
        Flaw(pointer=build_pointer(path), detail=_message(group[0].error) if len(group) == 1 else describe(group))
        for path, group in group_misfits(body, inside)
    ]


def _message(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "this is not known here"
    return error["msg"].removeprefix("Value error, ")


def _place(flaw: Flaw) -> str:
    return flaw.parameter or flaw.pointer or "the body"
