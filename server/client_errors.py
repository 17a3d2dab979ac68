"""What a client of the API is told when the server refuses, cannot be read, or is not there."""

from collections.abc import Callable
from typing import TypeVar

import httpx
from pydantic import ValidationError

Raw = TypeVar("Raw", str, bytes)
T = TypeVar("T")


class ClientError(Exception):
    """The server refused, or could not be reached. `str(error)` says what to do; `code` is stable."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        """HTTP status; 0 when no answer came."""
        self.code = code


def parsed(parse: Callable[[Raw], T], raw: Raw) -> T:
    try:
        return parse(raw)
    except ValidationError as error:
        detail = "the server's answer cannot be read: is it open-agent, and no newer than this client?"
        raise ClientError(0, "unexpected_answer", detail) from error


def problem_of(answer: httpx.Response) -> ClientError:
    try:
        problem = answer.json()
        return ClientError(answer.status_code, str(problem["code"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        detail = f"{answer.url} answered {answer.status_code}, but not as open-agent does: is the address right?"
        return ClientError(answer.status_code, "unexpected_answer", detail)


def unreachable(http: httpx.AsyncClient, why: str) -> ClientError:
    detail = f"no answer from {http.base_url} ({why}): is open-agent running there? `make run` starts it"
    return ClientError(0, "unreachable", detail)
