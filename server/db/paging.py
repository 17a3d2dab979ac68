"""Pages of rows by id: ids sort in the order they were made, so a cursor is the id of a row that was seen."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from server.db.sessions import ReadSession
from server.errors import Invalid
from server.resources import Page, PageQuery

RowT = TypeVar("RowT")
ResourceT = TypeVar("ResourceT", bound=BaseModel)


async def page_of(
    session: ReadSession,
    rows: Select[RowT],
    key: InstrumentedAttribute[str],
    query: PageQuery,
    resource: Callable[[RowT], ResourceT],
) -> Page[ResourceT]:
    """Returns one page of `rows`.

    Raises:
        Invalid: `after` and `before` were both given.
    """
    if query.after is not None and query.before is not None:
        raise Invalid("invalid_cursor", "Give `after` or `before`, not both.", pointer="/before")
    backwards = query.before is not None
    ascending = (query.order == "asc") != backwards
    if (cursor := query.after or query.before) is not None:
        rows = rows.where(key > cursor if ascending else key < cursor)
    rows = rows.order_by(key.asc() if ascending else key.desc()).limit(query.limit + 1)
    found = list(await session.scalars(rows))
    return _page([resource(row) for row in _in_order(found[: query.limit], backwards)], len(found) > query.limit)


def _in_order(rows: list[RowT], backwards: bool) -> list[RowT]:
    return rows[::-1] if backwards else rows


def _page(resources: list[Any], has_more: bool) -> Page[Any]:  # Any: pydantic generics take no type variable here
    ids = [resource.id for resource in resources]
    return Page(data=resources, has_more=has_more, first_id=ids[0] if ids else None, last_id=ids[-1] if ids else None)
