"""Makes of a raw MCP result what a model can read. Nothing a server sends is dropped without a word."""

import base64
import binascii
import json
import re
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from mcp_config.tools import Blob, JsonObject, ToolResult

NO_OUTPUT: Final = "(no output)"
_MEDIA_TYPE: Final = re.compile(r"\A[\w.+-]{1,60}+/[\w.+-]{1,60}+", re.ASCII)


def build_result(raw: JsonObject, *, whole: bool = False) -> ToolResult:
    """Returns the result of a call that was answered; the server itself may have called it an error.

    `whole`: with the server's own blocks, for who can show pictures and all.
    """
    blocks, structured = raw.get("content", []), raw.get("structuredContent")
    if not isinstance(blocks, list):
        return ToolResult("error", "The server's answer is no tool result.", "bad_result")
    texts = [text for block in blocks if (text := _text(block))]
    if not texts and structured is not None:
        texts = [json.dumps(structured, ensure_ascii=False)]
    content = "\n".join(texts) or NO_OUTPUT
    blobs = tuple(blob for block in blocks if (blob := _blob(block)))
    own = tuple(block for block in blocks if isinstance(block, dict)) if whole else None
    if raw.get("isError") is True:
        return ToolResult("error", content, "tool_error", structured, blobs=blobs, blocks=own)
    return ToolResult("ok", content, None, structured, blobs=blobs, blocks=own)


def cut(result: ToolResult, limit: int, artifact_id: str | None = None) -> ToolResult:
    """Returns the result with at most `limit` bytes of text: its head and its tail, and how much is left out.

    `artifact_id` names where all of it is kept; that is said first, where no later cut loses it.
    """
    content = result.content.encode(errors="replace")
    if result.structured is not None and len(json.dumps(result.structured)) > limit:
        result = replace(result, structured=None)
    if len(content) <= limit:
        return result
    tail = limit // 4
    head = limit - tail
    left_out = f"{len(content) - limit} of {len(content)} bytes are left out here"
    first, mark = "", f"\n[… {left_out}; ask for less …]\n"
    if artifact_id:
        first = f"[The beginning and the end of {len(content)} bytes, which are kept whole as artifact {artifact_id}]\n"
        mark = f"\n[… {left_out} …]\n"
    text = first + content[:head].decode(errors="ignore") + mark + content[-tail:].decode(errors="ignore")
    return replace(result, content=text, artifact_id=artifact_id, blocks=_cut_blocks(result.blocks, text))


def _cut_blocks(blocks: tuple[JsonObject, ...] | None, text: str) -> tuple[JsonObject, ...] | None:
    """Returns the blocks with all that is text replaced by the one text; the wire bounds the rest."""
    if blocks is None:
        return None
    return ({"type": "text", "text": text}, *(block for block in blocks if _blob(block)))


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


def _blob(block: JsonValue) -> Blob | None:
    """Returns what the block holds beside text, if that can be decoded."""
    if not isinstance(block, dict):
        return None
    resource = block.get("resource")
    if block.get("type") in ("image", "audio"):
        return _decoded(block.get("data"), block.get("mimeType"), _text(block))
    if block.get("type") == "resource" and isinstance(resource, dict) and not isinstance(resource.get("text"), str):
        return _decoded(resource.get("blob"), resource.get("mimeType"), _text(block))
    return None


def _decoded(data: JsonValue, media_type: JsonValue, stand_in: str) -> Blob | None:
    try:
        content = base64.b64decode(data if isinstance(data, str) else "", validate=True)
    except (binascii.Error, ValueError):
        return None
    if not content:
        return None
    known = isinstance(media_type, str) and _MEDIA_TYPE.fullmatch(media_type)
    return Blob(str(media_type).lower() if known else "application/octet-stream", content, stand_in)


def _size(data: JsonValue) -> str:
    # base64: four characters for three bytes
    return f"{len(data.rstrip('=')) * 3 // 4} bytes" if isinstance(data, str) else "no data"
