"""Lists are shown in pages: what is asked for, and what comes back."""

from collections.abc import Sequence
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from server.resources.resource import Request, Resource

T = TypeVar("T")

Cursor = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
"""An id or a name that a list has shown."""


class Page(Resource, Generic[T]):
    """One page of a list, newest first unless `order` says otherwise."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool
    first_id: str | None
    last_id: str | None

    @classmethod
    def of(cls, data: list[T], ids: Sequence[str], *, has_more: bool = False) -> "Page[T]":
        """Returns the page of these entries; `ids` are theirs, in the same order."""
        return cls(data=data, has_more=has_more, first_id=ids[0] if ids else None, last_id=ids[-1] if ids else None)


class PageQuery(Request):
    """Which page: up to `limit` entries after (or before) the one with this id."""

    model_config = ConfigDict(strict=False)  # in a query all is text

    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: Cursor | None = None
    before: Cursor | None = None
