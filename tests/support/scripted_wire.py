"""How a scripted reply looks on the wire: OpenAI's (SSE) and Ollama's (lines of JSON) chat formats, byte by byte."""

import json
from dataclasses import dataclass
from typing import Any, Protocol

from tests.support.scripted_replies import Reply, ScriptedRequest

JsonObject = dict[str, Any]  # wire objects are only written here, never read


class Wire(Protocol):
    """One provider's dialect."""

    @property
    def media_type(self) -> str: ...

    @property
    def streams_by_default(self) -> bool: ...

    def pieces(self, reply: Reply, request: ScriptedRequest) -> list[bytes]:
        """Returns the reply's pieces, one for each delta; `Reply.after` counts these."""

    def ending(self, reply: Reply, request: ScriptedRequest) -> list[bytes]:
        """Returns what follows the last piece of a streamed reply: finish reason and usage."""

    def whole(self, reply: Reply, request: ScriptedRequest) -> bytes:
        """Returns the reply in one body, for a client that does not stream."""

    def error(self, reply: Reply) -> bytes:
        """Returns the body of a reply whose status is not 200."""


@dataclass(frozen=True)
class OpenAIWire:
    media_type: str = "text/event-stream"
    streams_by_default: bool = False

    def pieces(self, reply: Reply, request: ScriptedRequest) -> list[bytes]:
        deltas: list[JsonObject] = [{"reasoning_content": text} for text in reply.reasoning]
        deltas += [{"content": text} for text in reply.chunks]
        for index, call in enumerate(reply.tool_calls):
            head = {"index": index, "id": call.id, "type": "function"}
            deltas.append({"tool_calls": [{**head, "function": {"name": call.name, "arguments": ""}}]})
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": call.arguments}}]})
        if deltas:
            deltas[0] = {"role": "assistant", **deltas[0]}
        return [self._event(request, [{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]

    def ending(self, reply: Reply, request: ScriptedRequest) -> list[bytes]:
        end = [self._event(request, [{"index": 0, "delta": {}, "finish_reason": _finish(reply)}])]
        if (request.body.get("stream_options") or {}).get("include_usage"):
            end.append(self._event(request, [], usage=_openai_usage(reply)))
        return [*end, b"data: [DONE]\n\n"]

    def whole(self, reply: Reply, request: ScriptedRequest) -> bytes:
        message: JsonObject = {"role": "assistant", "content": "".join(reply.chunks) or None}
        if reply.reasoning:
            message["reasoning_content"] = "".join(reply.reasoning)
        if reply.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in reply.tool_calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
        return _dump(_completion(request, "chat.completion", [choice], usage=_openai_usage(reply)))

    def error(self, reply: Reply) -> bytes:
        return _dump({"error": {"message": reply.error, "type": "scripted", "param": None, "code": None}})

    def _event(self, request: ScriptedRequest, choices: list[JsonObject], **more: JsonObject) -> bytes:
        return b"data: " + _dump(_completion(request, "chat.completion.chunk", choices, **more)) + b"\n\n"


@dataclass(frozen=True)
class OllamaWire:
    media_type: str = "application/x-ndjson"
    streams_by_default: bool = True

    def pieces(self, reply: Reply, request: ScriptedRequest) -> list[bytes]:
        messages: list[JsonObject] = [{"content": "", "thinking": text} for text in reply.reasoning]
        messages += [{"content": text} for text in reply.chunks]
        messages += [{"content": "", "tool_calls": [call]} for call in _ollama_calls(reply)]
        return [self._line(request, message) for message in messages]

    def ending(self, reply: Reply, request: ScriptedRequest) -> list[bytes]:
        return [self._line(request, {"content": ""}, **_ollama_end(reply))]

    def whole(self, reply: Reply, request: ScriptedRequest) -> bytes:
        message = {"content": "".join(reply.chunks), "tool_calls": _ollama_calls(reply)}
        return self._line(request, message, **_ollama_end(reply))

    def error(self, reply: Reply) -> bytes:
        return _dump({"error": reply.error})

    def _line(self, request: ScriptedRequest, message: JsonObject, **more: object) -> bytes:
        head = {"model": request.body.get("model"), "created_at": "2026-11-01T00:00:00Z", "done": False}
        return _dump({**head, "message": {"role": "assistant", **message}, **more}) + b"\n"


def _completion(request: ScriptedRequest, kind: str, choices: list[JsonObject], **more: JsonObject) -> JsonObject:
    head = {"id": "chatcmpl-scripted", "object": kind, "created": 1_700_000_000}
    return {**head, "model": request.body.get("model"), "choices": choices, **more}


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.tool_calls else "stop"


def _openai_usage(reply: Reply) -> JsonObject:
    total = reply.input_tokens + reply.output_tokens
    return {"prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens, "total_tokens": total}


def _ollama_calls(reply: Reply) -> list[JsonObject]:
    return [{"function": {"name": call.name, "arguments": json.loads(call.arguments)}} for call in reply.tool_calls]


def _ollama_end(reply: Reply) -> JsonObject:
    counts = {"prompt_eval_count": reply.input_tokens, "eval_count": reply.output_tokens}
    return {"done": True, "done_reason": "stop", **counts}


def _dump(value: JsonObject) -> bytes:
    return json.dumps(value).encode()
