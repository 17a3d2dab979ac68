"""The official source of the weights: one file over HTTP, continued where an earlier try stopped."""

from pathlib import Path
from typing import Final

import httpx

from nodes.models.embedded.progress import Meter
from nodes.models.embedded.weights import Weights

_TIMEOUT: Final = httpx.Timeout(30, connect=10)
_TRIES: Final = 5


class Unreachable(Exception):
    """A source does not give the file; its words say which and why."""


def fetch_from_hub(weights: Weights, part: Path, meter: Meter) -> None:
    """Fills `part` to the full size. A broken connection is taken up again as long as each try brings something.

    Raises: Unreachable.
    """
    place = httpx.URL(weights.url).host
    for attempt in range(1, _TRIES + 1):
        before = _size(part)
        if before == weights.size:
            return
        try:
            _continue(weights, part, meter)
        except httpx.HTTPStatusError as error:
            raise Unreachable(f"{place} answers {error.response.status_code}") from error
        except httpx.HTTPError as error:
            if attempt == _TRIES or _size(part) == before:
                raise Unreachable(f"no answer from {place}") from error
    if _size(part) != weights.size:
        raise Unreachable(f"{place} sends a file of another size")


def _continue(weights: Weights, part: Path, meter: Meter) -> None:
    done = _size(part)
    if done > weights.size:
        part.unlink()
        done = 0
    headers = {"accept-encoding": "identity"} | ({"range": f"bytes={done}-"} if done else {})
    with httpx.stream("GET", weights.url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as response:
        response.raise_for_status()
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        with part.open("ab" if resumed else "wb") as file:
            for block in response.iter_raw():  # as it comes: a chunk that is being gathered would be lost
                file.write(block)
                meter.show(file.tell(), weights.size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
