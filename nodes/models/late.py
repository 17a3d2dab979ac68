"""A model whose client comes when it is first asked: provider packages take seconds to import, an engine to start."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from langchain_core.messages import AnyMessage

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.constrained import ConstrainedModel
from nodes.models.port import Replies, StructuredReply


class LateModel:
    """Known by name at once. `find_client` is asked before each call, so that a client may change in between."""

    def __init__(self, name: str, context_tokens: int, find_client: Callable[[], Awaitable[ConstrainedModel]]) -> None:
        self._name = name
        self._context_tokens = context_tokens
        self._find_client = find_client

    @property
    def name(self) -> str:
        return self._name

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    async def ready(self) -> None:
        await (await self._find_client()).ready()

    async def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        async with aclosing((await self._find_client()).stream(messages, tools)) as replies:
            async for item in replies:
                yield item

    async def stream_json(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> Replies:
        async with aclosing((await self._find_client()).stream_json(messages, name, schema)) as replies:
            async for item in replies:
                yield item

    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        return await (await self._find_client()).structured(messages, name, schema)
