"""On what terms clients may come to the gateway, beside their key."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    hosts: Sequence[str]
    """With `:*` for any port. Browsers must not be led here by a name of their choice."""
    origins: Sequence[str]
    """Of web pages."""
    max_body: int
    sessions: int
    """How many one caller may have open."""
    idle: float
    """Seconds after which a session that nobody uses ends."""
