"""Pages of rows by id: ids sort in the order they were made, so a cursor is the id of a row that was seen."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from server.cursors import find_cursor
from server.db.sessions import ReadSession
from server.errors import Invalid
from server.resources.pages import Page, PageQuery

RowT = TypeVar("RowT")
ResourceT = TypeVar("ResourceT", bound=BaseModel)
KeyT = TypeVar("KeyT", str, int)
_MAX_DIGITS: Final = 9
"""What every database takes as a number."""


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
    found, has_more = await rows_of_page(session, rows, key, query)
    resources: list[Any] = [resource(row) for row in found]  # Any: each has an id
    return Page.of(resources, [each.id for each in resources], has_more=has_more)


async def rows_of_page(
    session: ReadSession, rows: Select[RowT], key: InstrumentedAttribute[KeyT], query: PageQuery
) -> tuple[list[RowT], bool]:
    """Returns the rows of one page, and whether there are more behind it.

    Raises:
        Invalid: the cursor is none, or `after` and `before` were both given.
    """
    text, backwards = find_cursor(query), query.before is not None
    ascending = (query.order == "asc") != backwards
    if text is not None:
        cursor = _cursor(key, text)
        rows = rows.where(key > cursor if ascending else key < cursor)
    rows = rows.order_by(key.asc() if ascending else key.desc()).limit(query.limit + 1)
    found = list(await session.scalars(rows))
    page = found[: query.limit]
    return page[::-1] if backwards else page, len(found) > query.limit


def slice_of(ids: Sequence[str], query: PageQuery) -> tuple[list[str], bool]:
    """Returns one page of a list that is there whole, and whether there is more behind it.

    Raises:
        Invalid: the cursor is not in the list, or `after` and `before` were both given.
    """
    cursor = find_cursor(query)
    if cursor is not None and cursor not in ids:
        raise Invalid("invalid_cursor", f"{cursor!r} is not in this list; take `last_id` of a page.")
    if query.before is not None:
        end = ids.index(query.before)
        return list(ids[max(0, end - query.limit) : end]), end > query.limit
    start = ids.index(query.after) + 1 if query.after is not None else 0
    return list(ids[start : start + query.limit]), len(ids) > start + query.limit


def _cursor(key: InstrumentedAttribute[Any], text: str) -> object:  # Any: a column of text or of numbers
    if key.type.python_type is not int:
        return text
    if not text.isdecimal() or len(text) > _MAX_DIGITS:
        raise Invalid("invalid_cursor", f"{text!r} is no cursor of this list; take `last_id` of a page.")
    return int(text)
