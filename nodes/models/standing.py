"""Which models broke off in mid-answer a moment ago. Who starts over asks another one first, if there is one."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from nodes.models.port import ChatModel

_REMEMBERED_SECONDS: Final = 60.0


class Standing:
    """Shared by all agents of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._broke_off: dict[str, float] = {}

    def note_broken(self, name: str) -> None:
        self._broke_off[name] = self._clock()

    def order(self, models: Sequence[ChatModel]) -> tuple[ChatModel, ...]:
        """Returns the models in their order, those that broke off lately behind the others."""
        return tuple(sorted(models, key=lambda model: self._is_broken(model.name)))

    def _is_broken(self, name: str) -> bool:
        moment = self._broke_off.get(name)
        return moment is not None and self._clock() - moment < _REMEMBERED_SECONDS
