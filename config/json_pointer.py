"""JSON pointers (RFC 6901): how programs name a place inside a JSON value."""

from collections.abc import Iterable


def build_pointer(path: Iterable[str | int]) -> str:
    """Returns the pointer to a place; the empty one is the whole value."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def split_pointer(pointer: str) -> list[str]:
    """Returns the keys and indexes on the way to a place."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
