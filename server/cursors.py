"""The cursor of a page: the entry after which it begins, or before which it ends."""

from server.errors import Invalid
from server.resources.pages import PageQuery


def find_cursor(query: PageQuery) -> str | None:
    """Returns the cursor that the query gives, if it gives one.

    Raises:
        Invalid: it gives both.
    """
    if query.after is not None and query.before is not None:
        raise Invalid("invalid_cursor", "Give `after` or `before`, not both.")
    return query.after if query.before is None else query.before
