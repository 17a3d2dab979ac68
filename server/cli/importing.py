"""Importing much at once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing_much() -> Iterator[None]:
    """Keeps the garbage collector away meanwhile, and from all that is there by then also afterwards.

    What imports make stays: to look through it again and again is a sixth of a start, and later a pause now and then.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
