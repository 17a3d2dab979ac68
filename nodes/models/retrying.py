"""A model that is asked again after a failure that passes, as long as nothing of its answer was seen.

This is the only place that repeats model calls: the providers' own hidden retries are off.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AnyMessage
from typing_extensions import override

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.port import ChatModel, ModelError, Replies, StructuredReply, TextDelta
from nodes.models.tries import Tries
from nodes.models.wrapped import WrappedModel

_log = logging.getLogger(__name__)

_LONGEST_PAUSE: Final = 30.0
"""Seconds. Who asks to be left alone for longer is not waited for: a fallback or a person decides what to do."""
_JITTER: Final = 0.25
"""Pauses are longer by up to this part of themselves, so that runs that failed together do not come back together."""


@dataclass(frozen=True)
class Patience:
    """How often a call is made again, and how long to wait before that when the provider does not say."""

    retries: int = 2
    first_pause: float = 0.5


class RetryingModel(WrappedModel[ChatModel]):
    """Waits as `Retry-After` asks, else twice as long each time. Thoughts may be repeated; words of an answer not."""

    def __init__(self, model: ChatModel, patience: Patience) -> None:
        super().__init__(model)
        self._patience = patience

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        tries, failures = Tries(), 0
        while True:
            try:
                async with aclosing(tries.stream(self._model, messages, tools)) as replies:
                    async for item in replies:
                        yield item
            except ModelError as error:
                if tries.shown or (pause := self._pause(error, failures)) is None:
                    raise
                failure, failures = error, failures + 1
            else:
                return
            yield TextDelta(self._announce(failure, failures, pause), "reasoning")
            await asyncio.sleep(pause)

    @override
    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        tries, failures = Tries(), 0
        while True:
            try:
                return await tries.structured(self._model, messages, name, schema)
            except ModelError as error:
                if (pause := self._pause(error, failures)) is None:
                    raise
                failure, failures = error, failures + 1
            self._announce(failure, failures, pause)
            await asyncio.sleep(pause)

    def _pause(self, error: ModelError, failures: int) -> float | None:
        """Returns for how long to wait before the next call; None when there shall be none."""
        if not error.transient or failures >= self._patience.retries:
            return None
        pause = self._patience.first_pause * 2**failures if error.retry_after is None else error.retry_after
        return pause * (1 + random.uniform(0, _JITTER)) if pause <= _LONGEST_PAUSE else None  # noqa: S311 - no secret

    def _announce(self, error: ModelError, failures: int, pause: float) -> str:
        again = f"trying {self.name} again in {pause:.1f} s ({failures} of {self._patience.retries})"
        _log.warning("%s; %s", error, again)
        return f"The model did not answer ({error}); {again}…\n"
