"""Limits of a run as people write them, `tokens=20000, seconds=60`, in a header or on a command line. Pure."""

from collections.abc import Iterable

from pydantic import ValidationError

from config.agents import Limits


def parse_limits(parts: Iterable[str]) -> Limits:
    """Returns the limits that parts like `tokens=20000` name; of one that is named twice, the last counts.

    Raises:
        ValueError: one of them is none; in words that say what to write.
    """
    said: dict[str, str] = {}
    for part in parts:
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in Limits.model_fields:
            names = ", ".join(Limits.model_fields)
            raise ValueError(f"{part.strip()!r} is no limit: write NAME=NUMBER, where NAME is one of {names}")
        said[name] = value
    try:
        return Limits.model_validate_strings(said)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        number = "a number above 0" if name == "cost_usd" else "a whole number above 0"
        raise ValueError(f"{name}={said[name]} is no limit: it takes {number}") from error


def tightest(*limits: Limits) -> Limits:
    """Returns, for each kind, the lowest of these limits."""
    said = [each.model_dump(exclude_none=True) for each in limits]
    names = {name for each in said for name in each}
    return Limits.model_validate({name: min(each[name] for each in said if name in each) for name in names})
