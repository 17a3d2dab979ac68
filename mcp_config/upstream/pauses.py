"""How long a server is left alone before it is started again. Pure."""

from typing import Final

RARE_SECONDS: Final = 60.0
"""Between starts of one that is not likely to come up by itself."""
STABLE_SECONDS: Final = 10.0
"""Whoever was up for longer begins anew when it goes down."""
_BACK_OFF: Final = (0.2, 10.0)
_PATIENT_FAILURES: Final = 8


def build_pause(failures: int, *, was_up: bool) -> float:
    """Returns the seconds after so many failures in a row; `was_up`: it has come up before."""
    least, most = _BACK_OFF
    if failures > _PATIENT_FAILURES:
        return most if was_up else RARE_SECONDS
    return float(min(least * 2 ** (failures - 1), most))
