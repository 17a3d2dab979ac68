"""One turn of a chat model: its words are said as they are made, and its message is returned whole."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, InvalidToolCall, ToolCall

from config.ids import new_id
from mcp_config.tools import ToolSpec
from nodes.facts import Channel
from nodes.models.port import ChatModel, ModelError, ModelReply, TextDelta, Usage

_NUDGE: Final = "Your reply was empty. Reply to the message above now."

Say = Callable[[Channel, str], None]


@dataclass
class _Words:
    """Says the words of a turn on the step's channel, set off from those of earlier turns."""

    say: Say
    channel: Channel
    apart: bool
    pieces: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if text:
            gap = "\n\n" if self.apart and not self.pieces else ""
            self.pieces.append(text)
            self.say(self.channel, gap + text)


async def take_turn(
    model: ChatModel,
    prompt: Sequence[AnyMessage],
    specs: Sequence[ToolSpec],
    say: Say,
    channel: Channel,
    said: str = "",
) -> AIMessage:
    """Returns the model's message, its tool calls under our ids, its usage in `usage_metadata`.

    An empty reply is asked for once more. Raises `ModelError`.
    """
    words, usage = _Words(say, channel, apart=bool(said)), Usage()
    for nudge in ((), (HumanMessage(_NUDGE),)):
        reply = await _stream(model, [*prompt, *nudge], specs, words)
        usage += reply.usage
        asks = reply.message.tool_calls or reply.message.invalid_tool_calls
        if asks or "".join(words.pieces).strip():
            return _rebuild(reply.message, "".join(words.pieces), usage)
    raise ModelError(
        "model_bad_output", f"the model {model.name} gave an empty reply twice; try again or choose another"
    )


async def _stream(
    model: ChatModel, prompt: Sequence[AnyMessage], specs: Sequence[ToolSpec], words: _Words
) -> ModelReply:
    reply: ModelReply | None = None
    async with aclosing(model.stream(prompt, specs)) as replies:
        async for item in replies:
            if isinstance(item, ModelReply):
                reply = item
            else:
                _pass_on(item, words)
    if reply is None:
        raise ModelError("model_bad_output", f"the model {model.name} ended without a reply; try again")
    if not words.pieces:
        words.add(reply.message.text)
    return reply


def _pass_on(delta: TextDelta, words: _Words) -> None:
    if delta.channel == "reasoning":
        words.say("reasoning", delta.text)
    else:
        words.add(delta.text)


def _rebuild(message: AIMessage, text: str, usage: Usage) -> AIMessage:
    """Keeps what the next turn needs and nothing of the provider's own, so that checkpoints stay small."""
    return AIMessage(
        text,
        tool_calls=[ToolCall(name=call["name"], args=call["args"], id=new_id("call")) for call in message.tool_calls],
        invalid_tool_calls=[
            InvalidToolCall(
                type="invalid_tool_call", name=c["name"], args=c["args"], error=c["error"], id=new_id("call")
            )
            for c in message.invalid_tool_calls
        ],
        usage_metadata=usage.metadata,
    )
