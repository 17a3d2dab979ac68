"""Several models as one: the next is tried when one fails before anything of it was seen."""

import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.constrained import ClosableModel, Replies
from nodes.models.port import NO_USAGE, ModelError, ModelReply, StructuredReply, TextDelta

_log = logging.getLogger(__name__)


class FallbackModel:
    """Asks its models in order. Once words of an answer were shown, a failure is the run's: they cannot be unsaid."""

    def __init__(self, models: Sequence[ClosableModel]) -> None:
        self._models = tuple(models)

    @property
    def name(self) -> str:
        return ", ".join(model.name for model in self._models)

    @property
    def context_tokens(self) -> int:
        """What fits into all of them: a prompt is cut once, before anyone knows who will read it."""
        return min(model.context_tokens for model in self._models)

    async def ready(self) -> None:
        for model in self._models:
            try:
                return await model.ready()
            except ModelError as error:
                self._pass_on(model, error)
        return None

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        wasted = NO_USAGE
        for model in self._models:
            shown = False
            try:
                async with aclosing(model.stream(messages, tools)) as replies:
                    async for item in replies:
                        shown = shown or (isinstance(item, TextDelta) and item.channel == "text")
                        yield replace(item, usage=item.usage + wasted) if isinstance(item, ModelReply) else item
            except ModelError as error:
                wasted += error.usage
                error.usage = wasted
                if shown:
                    raise
                self._pass_on(model, error)
                failure = error
            else:
                return
            yield TextDelta(f"The model {model.name} failed ({failure}); asking the next one…\n", "reasoning")

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        wasted = NO_USAGE
        for model in self._models:
            try:
                reply = await model.structured(messages, name, schema)
                return replace(reply, usage=reply.usage + wasted)
            except ModelError as error:
                wasted += error.usage
                error.usage = wasted
                self._pass_on(model, error)
        raise AssertionError("the last model either answers or raises")

    def _pass_on(self, model: ClosableModel, error: ModelError) -> None:
        """Raises: ModelError when nobody is left to ask."""
        if model is self._models[-1]:
            raise error
        _log.warning("model %s failed, trying the next: %s", model.name, error)
