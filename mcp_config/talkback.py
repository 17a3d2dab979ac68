"""What a server says while it works on a call, and to whom: the MCP client that made the call, or its owner.

A server shares one session between all who call it and does not say on whose behalf it speaks. So it is put through
only when that can be but one; else what it says is dropped, and what it asks is declined.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import JsonValue

Params = dict[str, JsonValue]


class Client(Protocol):
    """The client of one call, as its server may reach it meanwhile. What only tells returns at once."""

    def progressed(self, progress: float, total: float | None, message: str | None) -> None:
        """Passes on how far the call is."""

    def logged(self, params: Params) -> None:
        """Passes on a log message, if the client wants such ones."""

    def elicits(self, mode: str = "form") -> bool:
        """Tells whether a user can be asked, in this way."""

    async def elicit(self, params: Params) -> Params | None:
        """Returns what the client's user answers; None when nobody can be asked."""

    async def sample(self, params: Params) -> Params | None:
        """Returns what the client's model answers; None when it may not be asked."""


class Switchboard:
    """Whose calls are in flight on one session; None stands for a caller who cannot be reached."""

    def __init__(self) -> None:
        self._present: list[Client | None] = []

    @contextmanager
    def joined(self, client: Client | None) -> Iterator[None]:
        self._present.append(client)
        try:
            yield
        finally:
            self._present.remove(client)

    @property
    def busy(self) -> bool:
        return bool(self._present)

    @property
    def only(self) -> Client | None:
        """The one whose call it must be that the server speaks of."""
        first = self._present[0] if self._present else None
        return first if all(each is first for each in self._present) else None


@dataclass(frozen=True)
class Changed:
    """A list of the server's is another one now."""

    kind: Literal["tools", "resources", "prompts"]


@dataclass(frozen=True)
class Updated:
    """A resource that was subscribed to has changed."""

    uri: str


Notice = Changed | Updated


@dataclass(frozen=True)
class Ears:
    """Who listens to one session of a server."""

    notice: Callable[[Notice], None]
    board: Switchboard = field(default_factory=Switchboard)
    samples: bool = False
    """Whether the server may be told that it can ask a client's model."""
