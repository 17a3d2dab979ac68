"""Makes of a raw MCP result what a model can read. Nothing a server sends is dropped without a word."""

import json
from typing import Final

from pydantic import JsonValue

from mcp_config.tools import JsonObject, ToolResult

NO_OUTPUT: Final = "(no output)"


def build_result(raw: JsonObject) -> ToolResult:
    """Returns the result of a call that was answered; the server itself may have called it an error."""
    blocks, structured = raw.get("content", []), raw.get("structuredContent")
    if not isinstance(blocks, list):
        return ToolResult("error", "The server's answer is no tool result.", "bad_result")
    texts = [text for block in blocks if (text := _text(block))]
    if not texts and structured is not None:
        texts = [json.dumps(structured, ensure_ascii=False)]
    content = "\n".join(texts) or NO_OUTPUT
    if raw.get("isError") is True:
        return ToolResult("error", content, "tool_error", structured)
    return ToolResult("ok", content, None, structured)


def cut(result: ToolResult, limit: int) -> ToolResult:
    """Returns the result with at most `limit` bytes of text: its head and its tail, and how much is left out."""
    content = result.content.encode(errors="replace")
    structured = result.structured
    if structured is not None and len(json.dumps(structured)) > limit:
        structured = None
    if len(content) > limit:
        tail = limit // 4
        head = limit - tail
        mark = f"\n[… {len(content) - limit} of {len(content)} bytes are left out here; ask for less …]\n"
        text = content[:head].decode(errors="ignore") + mark + content[-tail:].decode(errors="ignore")
        return ToolResult(result.status, text, result.error_code, structured)
    return ToolResult(result.status, result.content, result.error_code, structured)


def _text(block: JsonValue) -> str:
    if not isinstance(block, dict):
        return "[content that cannot be read]"
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "image" | "audio" as media:
            return f"[{media}: {block.get('mimeType', 'unknown type')}, {_size(block.get('data'))}; not shown here]"
        case "resource":
            return _resource(block.get("resource"))
        case "resource_link":
            size = f", {block['size']} bytes" if isinstance(block.get("size"), int) else ""
            kind = f"{block.get('mimeType', 'unknown type')}{size}"
            return f"[link: {block.get('name', '')} {block.get('uri', '')} ({kind})]"
        case other:
            return f"[content of the kind {str(other)[:40]!r}, which is not known here]"


def _resource(resource: JsonValue) -> str:
    if not isinstance(resource, dict):
        return "[resource that cannot be read]"
    name = f"{resource.get('uri', '')} ({resource.get('mimeType', 'unknown type')})"
    if isinstance(text := resource.get("text"), str):
        return f"[resource {name}]\n{text}"
    return f"[resource {name}, {_size(resource.get('blob'))}; not shown here]"


def _size(data: JsonValue) -> str:
    # base64: four characters for three bytes
    return f"{len(data.rstrip('=')) * 3 // 4} bytes" if isinstance(data, str) else "no data"
