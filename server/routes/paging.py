"""Pages of lists that are in memory, by name or id, as the database pages over ids."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from server.errors import Invalid
from server.resources.pages import Page, PageQuery

T = TypeVar("T")


def build_page(items: Sequence[T], name_of: Callable[[T], str], query: PageQuery) -> Page[T]:
    """Raises: Invalid, when `after` and `before` were both given."""
    if query.after is not None and query.before is not None:
        raise Invalid("invalid_cursor", "Give `after` or `before`, not both.")
    rising = query.order == "asc"
    ordered = sorted(items, key=name_of, reverse=not rising)
    if (before := query.before) is not None:
        rest = [item for item in ordered if (name_of(item) < before) == rising and name_of(item) != before]
        taken = rest[-query.limit :]
    else:
        after = query.after
        rest = [i for i in ordered if after is None or ((name_of(i) > after) == rising and name_of(i) != after)]
        taken = rest[: query.limit]
    names = [name_of(item) for item in taken]
    return Page(
        data=taken,
        has_more=len(rest) > len(taken),
        first_id=names[0] if names else None,
        last_id=names[-1] if names else None,
    )
