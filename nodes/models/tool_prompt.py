"""What a model without native tool calling is told: its tools, the JSON to reply with, and what happened before."""

import json
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import JsonValue

from mcp_config.tools import JsonObject, ToolSpec
from nodes.models.clock_times import spell_times
from nodes.models.shapes import build_object

_LENGTHS: Final = (240, 100, 0)
_LONGEST_TOOL_LIST: Final = 3_600
"""Characters, about 900 tokens: with many tools their descriptions get shorter."""
_LONGEST_RESULT: Final = 4_000
"""Characters of one tool result, about 1,000 tokens of the 4,096 that such a model has."""
_KEPT_KEYWORDS: Final = frozenset(
    {"type", "properties", "required", "items", "enum", "const", "anyOf", "oneOf", "additionalProperties"}
)
"""What constrained decoding handles everywhere; the full schema is checked on the governed path."""

_FAILED: Final = "\nThe call failed. Correct it and call the tool again."
"""Without being asked to, a small model reports the error instead of mending its call."""

_INSTRUCTION: Final = """\
Reply with exactly one JSON object, either
{"tool": "<name>", "arguments": {...}} to use a tool, or
{"answer": "<text>"} to answer the user.
Use a tool for whatever a tool can find out or calculate; never guess. File paths are relative, as given.
Once a result holds what is asked, answer with its values copied exactly.
Never call a tool again that has given its result.

Examples, of other tools:
User: what does notes/plan.md say about opening hours?
{"tool": "files__read", "arguments": {"path": "notes/plan.md"}}
Result of files__read: "opens": "2026-03-02 01:45 (1:45 AM)", "closes": "2026-03-02 14:05 (2:05 PM)"
{"answer": "It opens at 01:45 and closes at 14:05 on 2 March 2026."}
User: how much is 12.5% of 840?
{"tool": "maths__evaluate", "arguments": {"formula": "840 * 12.5 / 100"}}
Result of maths__evaluate: 105.0
{"answer": "12.5% of 840 is 105."}
User: thanks!
{"answer": "You are welcome!"}"""
"""Comes first, the same for all agents: an engine that keeps what it has read reads it once."""


def build_choice_schema(messages: Sequence[AnyMessage], tools: Sequence[ToolSpec]) -> JsonObject:
    """Returns the schema of one reply: one of the tools with its arguments, or an answer.

    A small model that may answer from nothing does so, with invented numbers. So it cannot before a tool has given a
    result, where trying one does no harm.
    """
    choices: list[JsonValue] = [
        build_object({"tool": {"const": tool.name}, "arguments": _plain(tool)}) for tool in tools
    ]
    if _has_result(messages) or not all(tool.repeatable for tool in tools):
        choices.append(build_object({"answer": {"type": "string"}}))
    return {"anyOf": choices}


def _has_result(messages: Sequence[AnyMessage]) -> bool:
    latest = next((message for message in reversed(messages) if isinstance(message, HumanMessage | ToolMessage)), None)
    return isinstance(latest, ToolMessage)


def build_tool_prompt(messages: Sequence[AnyMessage], tools: Sequence[ToolSpec]) -> list[AnyMessage]:
    """Returns the conversation with the tools described in its system prompt and earlier replies in the same JSON."""
    system = [str(message.text) for message in messages if isinstance(message, SystemMessage)]
    rest = [message for message in messages if not isinstance(message, SystemMessage)]
    return [
        SystemMessage("\n\n".join([_INSTRUCTION, _describe(tools), *system])),
        *(_told(message, in_json=True) for message in rest),
    ]


def build_plain_prompt(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Returns the conversation with tool calls and results as words."""
    return [_told(message, in_json=False) for message in messages]


def _told(message: AnyMessage, *, in_json: bool) -> AnyMessage:
    if isinstance(message, ToolMessage):
        failed = _FAILED if in_json and message.status == "error" else ""
        return HumanMessage(f"Result of {message.name or 'the tool'}: {_cut(spell_times(str(message.text)))}{failed}")
    if isinstance(message, AIMessage):
        return AIMessage(_said(message, in_json=in_json))
    return message


def _said(message: AIMessage, *, in_json: bool) -> str:
    asked = [{"tool": call["name"], "arguments": call["args"]} for call in message.tool_calls]
    text = str(message.text)
    if asked:
        return "\n".join(json.dumps(call, ensure_ascii=False) for call in asked)
    return json.dumps({"answer": text}, ensure_ascii=False) if in_json else text


def _describe(tools: Sequence[ToolSpec]) -> str:
    """Returns the list of tools, in as many words as there is room for."""
    lists = ["\n".join(["You have these tools:", *(_line(tool, length) for tool in tools)]) for length in _LENGTHS]
    return next((text for text in lists if len(text) <= _LONGEST_TOOL_LIST), lists[-1])


def _line(tool: ToolSpec, length: int) -> str:
    properties = tool.model_schema.get("properties")
    required = tool.model_schema.get("required")
    names = properties if isinstance(properties, dict) else {}
    needed = required if isinstance(required, list) else []
    arguments = [_argument(name, about, name in needed, length) for name, about in names.items()]
    said = " ".join(tool.description.split())
    return f"- {tool.name}({', '.join(arguments)})" + (f": {said[:length]}" if length and said else "")


def _argument(name: str, about: object, needed: bool, length: int) -> str:
    mark = "" if needed else "?"
    if not isinstance(about, dict):
        return name + mark
    kind = about.get("enum") or about.get("type") or "any"
    said = " ".join(str(about.get("description") or "").split())[: length // 3]
    return f"{name}{mark}: {json.dumps(kind) if isinstance(kind, list) else kind}" + (f" ({said})" if said else "")


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_RESULT:
        return text
    half = _LONGEST_RESULT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


def _plain(tool: ToolSpec) -> JsonObject:
    """The arguments' schema in keywords that every grammar knows; any object where it refers elsewhere."""
    if "$ref" in json.dumps(tool.model_schema):
        return {"type": "object"}
    kept = _keep(tool.model_schema)
    return kept if kept.get("properties") else {"type": "object", "properties": {}, "additionalProperties": False}


def _keep(schema: JsonObject) -> JsonObject:
    kept: JsonObject = {}
    for keyword, value in schema.items():
        if keyword == "properties" and isinstance(value, dict):
            kept[keyword] = {name: _keep(part) if isinstance(part, dict) else part for name, part in value.items()}
        elif keyword in ("anyOf", "oneOf") and isinstance(value, list):
            kept[keyword] = [_keep(part) if isinstance(part, dict) else part for part in value]
        elif keyword in _KEPT_KEYWORDS:
            kept[keyword] = _keep(value) if isinstance(value, dict) else value
    return kept
