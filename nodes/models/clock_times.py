"""Times of day in a tool's result, made so plain that a small model cannot turn 03:22 into 3:22 PM."""

import re
from typing import Final

_MOMENT: Final = re.compile(
    r"\b(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):([0-5]\d)(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
)


def spell_times(text: str) -> str:
    """Returns the text with each ISO 8601 moment as its date and its time on both kinds of clock."""
    return _MOMENT.sub(_spell, text)


def _spell(moment: re.Match[str]) -> str:
    date, hour, minute = moment.groups()
    half = "AM" if int(hour) < 12 else "PM"
    return f"{date} {hour}:{minute} ({int(hour) % 12 or 12}:{minute} {half})"
