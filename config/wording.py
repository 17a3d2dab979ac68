"""Says in plain words what pydantic found wrong. Knows neither files nor settings."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic_core import ErrorDetails

_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
}
"""What was expected, by pydantic's error type; the others are told by their own message."""

_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
    (type(None), "nothing"),
)


def expectation(error: ErrorDetails) -> str | None:
    """Returns what was expected (`a list`), or None where the mistake is not one of kind or choice."""
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"])
    return _EXPECTED.get(error["type"])


def kind(value: object) -> str:
    """Returns what a value is in the words of `expectation`."""
    return next((name for types, name in _KINDS if isinstance(value, types)), type(value).__name__)


def quoted(value: object) -> str:
    """Returns a short value as it was written, else its kind."""
    text = str(value)
    return repr(text) if isinstance(value, str | int | float) and len(text) <= 60 else kind(value)


def complaint(error: ErrorDetails) -> str:
    """Returns what is wrong in a few words: our validators' own text, or pydantic's."""
    match error["type"]:
        case "missing":
            return "is missing"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case "string_pattern_mismatch":
            return f"expected text like {error['ctx']['pattern']}, got {quoted(error['input'])}"
        case _:
            message = error["msg"].removeprefix("Input ")
            return message[:1].lower() + message[1:]


def suggestion(word: str, known: Iterable[str]) -> str:
    """Returns `; did you mean x?` where a known word is near, else the known words when they are few."""
    choices = sorted(known)
    near = difflib.get_close_matches(word.lower(), [choice.lower() for choice in choices], n=1, cutoff=0.6)
    if near:
        return f"; did you mean {next(choice for choice in choices if choice.lower() == near[0])}?"
    return f"; known are {', '.join(choices)}" if 0 < len(choices) <= 12 else ""
