"""Fetching the weights beside a running server: in a thread, telling how far it is, and ended with its task."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from nodes.models.embedded.pull import pull_weights
from nodes.models.embedded.weights import Weights

_log = logging.getLogger(__name__)


class _Unwanted(Exception):
    """Nobody waits for the fetch any more."""


class _ThreadMeter:
    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.unwanted = threading.Event()

    def say(self, line: str) -> None:
        _log.info("%s", line)

    def show(self, done: int, total: int) -> None:
        if self.unwanted.is_set():
            raise _Unwanted
        self._tell(f"{done * 100 // total} % of {total / 1e6:,.0f} MB")


async def fetch_weights(weights: Weights, folder: Path, tell: Callable[[str], None]) -> Path:
    """Returns the checked file. `tell` is called in a thread with how far the fetch is.

    Raises: WeightsError.
    """
    meter = _ThreadMeter(tell)
    try:
        return await asyncio.to_thread(pull_weights, weights, folder, meter)
    finally:
        meter.unwanted.set()
