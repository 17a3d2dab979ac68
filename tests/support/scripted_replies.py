"""What a scripted model may answer and how its rules tell requests apart. Knows no wire format and no sockets.

`Replies` makes replies; a reply can then be held, broken off or garbled: `Replies.text("a", "b").reset(after=1)`.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import JsonValue

JsonObject = dict[str, Any]  # request bodies are read freely by tests: precise types would only add casts
Fault = Literal["reset", "stall", "garbage", "unfinished"]


@dataclass(frozen=True)
class ScriptedCall:
    """One tool call of a reply. `arguments` is the raw text on the wire, so that it can be no JSON at all."""

    name: str
    arguments: str
    id: str


@dataclass(frozen=True)
class Reply:
    """One answer, delivered piece by piece: reasoning, then text, then tool calls."""

    chunks: tuple[str, ...] = ()
    tool_calls: tuple[ScriptedCall, ...] = ()
    reasoning: tuple[str, ...] = ()
    input_tokens: int = 10
    output_tokens: int = 5
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    gate: asyncio.Event | None = None
    fault: Fault | None = None
    after: int = 0
    """How many pieces are sent before the gate or the fault."""
    pace: float = 0
    """Seconds after each piece."""

    def held(self, gate: asyncio.Event, after: int = 0) -> "Reply":
        """Returns the reply that waits for `gate` once `after` pieces were sent."""
        return replace(self, gate=gate, after=after)

    def reset(self, after: int = 0) -> "Reply":
        """Returns the reply whose connection breaks once `after` pieces were sent."""
        return replace(self, fault="reset", after=after)

    def stalled(self, after: int = 0) -> "Reply":
        """Returns the reply that says nothing more once `after` pieces were sent; the connection stays open."""
        return replace(self, fault="stall", after=after)

    def garbled(self, after: int = 0) -> "Reply":
        """Returns the reply that is no JSON any more once `after` pieces were sent."""
        return replace(self, fault="garbage", after=after)

    def unfinished(self) -> "Reply":
        """Returns the reply that is never said to be complete, though its stream ends as it should."""
        return replace(self, fault="unfinished")

    def paced(self, seconds: float) -> "Reply":
        """Returns the reply whose pieces come one by one, as a model's do."""
        return replace(self, pace=seconds)

    def costing(self, input_tokens: int, output_tokens: int) -> "Reply":
        return replace(self, input_tokens=input_tokens, output_tokens=output_tokens)

    def thinking(self, *reasoning: str) -> "Reply":
        return replace(self, reasoning=reasoning)


class Replies:
    """Constructors that read well in tests."""

    @staticmethod
    def text(*chunks: str) -> Reply:
        return Reply(chunks=chunks)

    @staticmethod
    def json(value: JsonValue) -> Reply:
        """A structured reply: the value as text, in two pieces."""
        text = json.dumps(value, ensure_ascii=False)
        return Reply(chunks=(text[: len(text) // 2], text[len(text) // 2 :]))

    @staticmethod
    def plan(steps: Iterable[Mapping[str, Any]]) -> Reply:
        """A router's plan; steps are `{agent, task, depends_on}`, the last may be left out."""
        return Replies.json({"steps": [{"depends_on": [], **step} for step in steps]})

    @staticmethod
    def tool(name: str, arguments: Mapping[str, Any] | None = None, *, call_id: str | None = None) -> Reply:
        return Replies.tools((name, arguments or {}), ids=[call_id] if call_id else None)

    @staticmethod
    def tools(*calls: tuple[str, Mapping[str, Any]], ids: list[str] | None = None) -> Reply:
        """Several tool calls in one message."""
        names = ids or [f"call_{index}_{name}" for index, (name, _) in enumerate(calls)]
        pairs = zip(calls, names, strict=True)
        return Reply(tool_calls=tuple(ScriptedCall(tool, json.dumps(args), name) for (tool, args), name in pairs))

    @staticmethod
    def bad_arguments(name: str, raw: str = '{"city": ') -> Reply:
        """A tool call whose arguments are no JSON."""
        return Reply(tool_calls=(ScriptedCall(name, raw, f"call_bad_{name}"),))

    @staticmethod
    def error(status: int, message: str = "scripted failure", headers: Mapping[str, str] | None = None) -> Reply:
        return Reply(status=status, error=message, headers=headers or {})


@dataclass(frozen=True)
class ScriptedRequest:
    """One recorded request. `gone` is set when the client hung up before the reply had ended."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: JsonObject
    gone: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    @property
    def messages(self) -> list[JsonObject]:
        return list(self.body.get("messages", []))

    @property
    def system(self) -> str:
        return "\n".join(_text(message) for message in self.messages if message["role"] in ("system", "developer"))

    @property
    def last_user(self) -> str:
        """The newest user message; empty when there is none."""
        said = [_text(message) for message in self.messages if message["role"] == "user"]
        return said[-1] if said else ""

    @property
    def tool_results(self) -> list[str]:
        """What tools have answered since the newest user message."""
        results: list[str] = []
        for message in self.messages:
            if message["role"] == "user":
                results = []
            elif message["role"] == "tool":
                results.append(_text(message))
        return results

    @property
    def tools(self) -> list[str]:
        """The names of the offered tools."""
        return [tool["function"]["name"] for tool in self.body.get("tools") or []]

    @property
    def schema_name(self) -> str | None:
        """The name of the JSON schema that constrains the reply, if one does."""
        wanted = self.body.get("response_format") or {}
        if wanted.get("type") == "json_schema":
            return str(wanted["json_schema"]["name"])
        return "format" if isinstance(self.body.get("format"), dict) else None  # Ollama's has no name


def _text(message: JsonObject) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


Match = Callable[[ScriptedRequest], bool]


def plans(request: ScriptedRequest) -> bool:
    """Matches a structured call (a router's plan)."""
    return request.schema_name is not None


def says(text: str) -> Match:
    """Matches a chat (not structured) request whose newest user message holds `text`."""
    return lambda request: not plans(request) and text.lower() in request.last_user.lower()


def plans_for(text: str) -> Match:
    """Matches a structured request whose newest user message holds `text`."""
    return lambda request: plans(request) and text.lower() in request.last_user.lower()


def offers(tool: str) -> Match:
    return lambda request: tool in request.tools


def prompted(text: str) -> Match:
    """Matches a chat (not structured) request whose system prompt holds `text`: one agent among several."""
    return lambda request: not plans(request) and text.lower() in request.system.lower()


def has_result(text: str = "") -> Match:
    """Matches a request that brings a tool's result, after the newest user message, that holds `text`."""
    return lambda request: any(text in result for result in request.tool_results)


def anything(_: ScriptedRequest) -> bool:
    return True
