"""Several models as one: the next is tried when one fails before anything of it was seen."""

import logging
from collections.abc import Sequence
from contextlib import aclosing

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.port import ChatModel, ModelError, Replies, StructuredReply, TextDelta
from nodes.models.standing import Standing
from nodes.models.tries import Tries

_log = logging.getLogger(__name__)


class FallbackModel:
    """Asks its models in order. Once words of an answer were shown, a failure is the run's: they cannot be unsaid.

    A model that has failed so is asked after the others for a while: a step that starts over begins with the next one.
    """

    def __init__(self, models: Sequence[ChatModel], standing: Standing) -> None:
        self._models, self._standing = tuple(models), standing

    @property
    def name(self) -> str:
        return ", ".join(model.name for model in self._models)

    @property
    def context_tokens(self) -> int:
        """What fits into all of them: a prompt is cut once, before anyone knows who will read it."""
        return min(model.context_tokens for model in self._models)

    async def ready(self) -> None:
        models = self._standing.order(self._models)
        for model in models:
            try:
                return await model.ready()
            except ModelError as error:
                _pass_on(model, models, error)
        return None

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        tries, models = Tries(), self._standing.order(self._models)
        for model in models:
            try:
                async with aclosing(tries.stream(model, messages, tools)) as replies:
                    async for item in replies:
                        yield item
            except ModelError as error:
                if tries.shown:
                    self._standing.note_broken(model.name)
                    raise
                _pass_on(model, models, error)
                failure = error
            else:
                return
            yield TextDelta(f"The model {model.name} failed ({failure}); asking the next one…\n", "reasoning")

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        tries, models = Tries(), self._standing.order(self._models)
        for model in models:
            try:
                return await tries.structured(model, messages, name, schema)
            except ModelError as error:
                _pass_on(model, models, error)
        raise AssertionError("the last model either answers or raises")


def _pass_on(model: ChatModel, models: Sequence[ChatModel], error: ModelError) -> None:
    """Raises: ModelError when nobody is left to ask."""
    if model is models[-1]:
        raise error
    _log.warning("model %s failed, trying the next: %s", model.name, error)
