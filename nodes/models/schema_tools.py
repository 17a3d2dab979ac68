"""Tool calls for models that have none of their own: one JSON object, constrained by a schema made of the tools.

To the nodes it is a `ChatModel` like any other; an answer's text streams while the JSON around it is still written.
"""

import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from langchain_core.messages import AIMessage, AnyMessage, ToolCall
from typing_extensions import override

from config.ids import new_id
from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.constrained import ConstrainedModel
from nodes.models.json_answer import AnswerReader
from nodes.models.port import ModelError, ModelReply, Replies, StructuredReply, TextDelta
from nodes.models.tool_prompt import build_choice_schema, build_plain_prompt, build_tool_prompt
from nodes.models.wrapped import WrappedModel


class SchemaToolsModel(WrappedModel[ConstrainedModel]):
    """Gives `model` tools. Without tools offered it is a plain chat."""

    def stream(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec] = ()) -> Replies:
        return self._choices(messages, tools) if tools else self._model.stream(build_plain_prompt(messages))

    @override
    async def structured(self, messages: Sequence[AnyMessage], name: str, schema: JsonObject) -> StructuredReply:
        return await self._model.structured(build_plain_prompt(messages), name, schema)

    async def _choices(self, messages: Sequence[AnyMessage], tools: Sequence[ToolSpec]) -> Replies:
        schema = build_choice_schema(messages, tools)
        replies = self._model.stream_json(build_tool_prompt(messages, tools), "reply", schema)
        reader, answer = AnswerReader(), list[str]()
        async with aclosing(replies) as items:
            async for item in items:
                if isinstance(item, ModelReply):
                    yield replace(item, message=_message(item, "".join(answer), self.name))
                elif item.channel == "reasoning":
                    yield item
                elif text := reader.feed(item.text):
                    answer.append(text)
                    yield TextDelta(text)


def _message(reply: ModelReply, answer: str, model: str) -> AIMessage:
    """Returns the message a model with tools of its own would have sent: exactly the streamed text, or one call."""
    raw = reply.message
    kept = {"usage_metadata": raw.usage_metadata, "response_metadata": raw.response_metadata}
    if answer:
        return AIMessage(answer, **kept)
    try:
        choice = json.loads(str(raw.text))
    except ValueError as error:
        detail = f"{model} stopped before its tool call was complete: ask for less at once"
        raise ModelError("model_bad_output", detail, usage=reply.usage) from error
    if not isinstance(choice, dict) or "tool" not in choice:
        return AIMessage("", **kept)
    call = ToolCall(type="tool_call", id=new_id("call"), name=choice["tool"], args=choice.get("arguments") or {})
    return AIMessage("", tool_calls=[call], **kept)
