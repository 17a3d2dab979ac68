"""Puts a streamed reply together: text goes on as it comes, the whole message is built once, at the end.

Arguments of tool calls are parsed strictly: LangChain's own merging completes broken JSON, which would turn a
reply that was cut short into a call nobody asked for.
"""

import json
from dataclasses import dataclass, field
from typing import Final

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall

from config.ids import new_id
from nodes.models.port import ModelReply, TextDelta, Usage
from nodes.window import count_tokens

_KEPT_METADATA: Final = ("finish_reason", "done_reason")


@dataclass
class _Call:
    """A tool call while its pieces arrive."""

    index: int | None
    id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ReplyBuilder:
    """Takes a stream's chunks one by one."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._usage = Usage()
        self._metadata: dict[str, object] = {}

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def ended(self) -> bool:
        """Whether the model has said that this is all; a server that only hangs up has not, though it count tokens."""
        return any(self._metadata.values())

    @property
    def cut_short(self) -> bool:
        """Whether the model ran out of room before it had finished."""
        return "length" in (self._metadata.get("finish_reason"), self._metadata.get("done_reason"))

    def add(self, chunk: AIMessageChunk) -> list[TextDelta]:
        """Takes one chunk and returns the text it brings."""
        if chunk.usage_metadata:  # some servers repeat a running total: the last one counts
            self._usage = Usage.of(chunk)
        self._metadata.update(
            {name: chunk.response_metadata[name] for name in _KEPT_METADATA if name in chunk.response_metadata}
        )
        for piece in chunk.tool_call_chunks:
            self._call_of(piece["index"], piece["id"] or "", piece["name"] or "").arguments.append(piece["args"] or "")
        reasoning, text = str(chunk.additional_kwargs.get("reasoning_content") or ""), str(chunk.text)
        self._reasoning.append(reasoning)
        self._text.append(text)
        deltas = [TextDelta(reasoning, "reasoning"), TextDelta(text)]
        return [delta for delta in deltas if delta.text]

    def estimate(self, prompt_tokens: int) -> None:
        """Counts, by its length, a reply whose provider has told no tokens: no budget could be held otherwise."""
        if not self._usage.tokens:
            calls = "".join(f"{call.name}{''.join(call.arguments)}" for call in self._calls)
            made = count_tokens("".join([*self._reasoning, *self._text, calls]))
            self._usage = Usage(prompt_tokens, made, estimated=True)

    def build(self) -> ModelReply:
        """Returns the whole message. Calls whose arguments are no JSON object are kept as `invalid_tool_calls`."""
        calls = [_parse(call) for call in self._calls]
        reasoning = "".join(self._reasoning)
        message = AIMessage(
            self.text,
            tool_calls=[call for call in calls if call["type"] == "tool_call"],
            invalid_tool_calls=[call for call in calls if call["type"] == "invalid_tool_call"],
            additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
            response_metadata=self._metadata,
            usage_metadata=self._usage.metadata,
        )
        return ModelReply(message, self._usage)

    def _call_of(self, index: int | None, call_id: str, name: str) -> _Call:
        """Finds the call a piece belongs to. A new id is a new call even where a server repeats the index."""
        for call in reversed(self._calls):
            if call.index == index and call_id in ("", call.id) and not (index is None and name):
                call.name = call.name or name
                return call
        self._calls.append(_Call(index, call_id or new_id("call"), name))
        return self._calls[-1]


def _parse(call: _Call) -> ToolCall | InvalidToolCall:
    raw = "".join(call.arguments)
    try:
        arguments = json.loads(raw or "{}")
        problem = "" if isinstance(arguments, dict) else "the arguments are not a JSON object"
    except ValueError as error:
        arguments, problem = None, f"the arguments are not valid JSON: {error}"
    if problem:
        return InvalidToolCall(type="invalid_tool_call", id=call.id, name=call.name, args=raw, error=problem)
    return ToolCall(type="tool_call", id=call.id, name=call.name, args=arguments)
