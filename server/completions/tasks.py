"""What Open WebUI wants to be written about a chat: title, tags, follow-ups, search queries.

One plain model call, never an agent's run, and nothing of it is stored."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from graph.events import Usage
from graph.translate import build_usage
from mcp_config.tools import JsonObject
from nodes.models.port import ChatModel, ModelError, ModelReply
from nodes.models.shapes import build_object
from nodes.window import cut_together
from server.completions.parts import text_of
from server.completions.wording import ChatMessage
from server.errors import Failed


def _texts(least: int, most: int) -> JsonObject:
    return {"type": "array", "items": {"type": "string"}, "minItems": least, "maxItems": most}


_SCHEMAS: Final[Mapping[str, JsonObject]] = {
    "title_generation": build_object({"title": {"type": "string"}}),
    "tags_generation": build_object({"tags": _texts(1, 3)}),
    "follow_up_generation": build_object({"follow_ups": _texts(1, 3)}),
    "query_generation": build_object({"queries": _texts(0, 3)}),
    "image_prompt_generation": build_object({"prompt": {"type": "string"}}),
    "autocomplete_generation": build_object({"text": {"type": "string"}}),
}
"""Tasks whose answer Open WebUI reads as JSON: a small model keeps to the shape only if it must."""


@dataclass(frozen=True)
class Chore:
    content: str
    usage: Usage


async def do_task(model: ChatModel, task: str, messages: Sequence[ChatMessage]) -> Chore:
    """Raises: Failed, when the model cannot answer."""
    prompt = _prompt(messages, model.context_tokens)
    try:
        if (schema := _SCHEMAS.get(task)) is not None:
            reply = await model.structured(prompt, task, schema)
            return Chore(json.dumps(reply.value, ensure_ascii=False), build_usage(reply.usage))
        return await _say(model, prompt)
    except ModelError as error:
        raise Failed(error.code, str(error)) from error


async def _say(model: ChatModel, prompt: Sequence[AnyMessage]) -> Chore:
    last: ModelReply | None = None
    async for item in model.stream(prompt):
        last = item if isinstance(item, ModelReply) else last
    if last is None:
        raise ModelError("model_bad_output", f"the model {model.name} ended without a reply; try again")
    return Chore(last.message.text, build_usage(last.usage))


def _prompt(messages: Sequence[ChatMessage], context_tokens: int) -> list[AnyMessage]:
    """Half of the context is enough to name a chat, and keeps a small machine quick."""
    told = [message for message in messages if message.role in ("system", "developer", "user", "assistant")]
    texts = cut_together([text_of(message) for message in told], context_tokens // 2)
    return [_message(message.role, text) for message, text in zip(told, texts, strict=True)]


def _message(role: str, text: str) -> AnyMessage:
    if role == "user":
        return HumanMessage(text)
    return AIMessage(text) if role == "assistant" else SystemMessage(text)
