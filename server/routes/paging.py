"""Pages of lists that are in memory, by name or id, as the database pages over ids."""

import operator
from collections.abc import Callable, Sequence
from typing import TypeVar

from server.cursors import find_cursor
from server.resources.pages import Page, PageQuery

T = TypeVar("T")


def build_page(items: Sequence[T], name_of: Callable[[T], str], query: PageQuery) -> Page[T]:
    """Raises: Invalid, when `after` and `before` were both given."""
    cursor, rising = find_cursor(query), query.order == "asc"
    ordered = sorted(items, key=name_of, reverse=not rising)
    beyond = operator.gt if rising == (query.before is None) else operator.lt
    rest = [item for item in ordered if cursor is None or beyond(name_of(item), cursor)]
    taken = rest[: query.limit] if query.before is None else rest[-query.limit :]
    return Page.of(taken, [name_of(item) for item in taken], has_more=len(rest) > len(taken))
