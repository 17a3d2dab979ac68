"""How the client asks: one request, one page, all pages of a list."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx
from pydantic import BaseModel, JsonValue

from server.client_errors import parsed, problem_of, unreachable
from server.resources.pages import Page

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")
JsonObject = dict[str, JsonValue]
_LARGEST_PAGE: Final = 100


@dataclass(frozen=True)
class Transport:
    """Requests and their answers as objects. Every method raises `ClientError`."""

    http: httpx.AsyncClient

    async def all_of(self, shape: type[Page[Item]], path: str) -> AsyncIterator[Item]:
        """Yields the entries of all pages of a list that is in the order of its names."""
        after, more = None, True
        while more:
            page = await self.page_of(shape, path, after, _LARGEST_PAGE)
            for entry in page.data:
                yield entry
            after, more = page.last_id, page.has_more

    async def page_of(
        self, shape: type[Model], path: str, after: str | None, limit: int, **filters: str | None
    ) -> Model:
        given = {"after": after, **filters}
        query = {"limit": str(limit), **{name: value for name, value in given.items() if value}}
        answer = await self.exchange("GET", path, query=query)
        return parsed(shape.model_validate_json, answer.content)

    async def send(self, shape: type[Model], method: str, path: str, body: JsonObject | None = None) -> Model:
        answer = await self.exchange(method, path, body)
        return parsed(shape.model_validate_json, answer.content)

    async def exchange(
        self, method: str, path: str, body: JsonObject | None = None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            answer = await self.http.request(method, path, json=body, params=query)
        except (httpx.RequestError, httpx.InvalidURL) as lost:
            raise unreachable(self.http, str(lost) or type(lost).__name__) from lost
        if not answer.is_success:
            raise problem_of(answer)
        return answer
