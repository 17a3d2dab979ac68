"""A piece of the governed path: no result goes on, to a model or to where it is kept, with what must not be seen."""

import base64
import binascii
from collections.abc import Collection
from dataclasses import replace
from typing import Final, cast

from config.agents import Redaction
from config.redaction import Redactor
from mcp_config.calls.long_redaction import LongRedaction
from mcp_config.calls.path import Wrapper
from mcp_config.tools import Blob, CallTool, JsonObject, ToolCall, ToolResult, ToolSpec

_TEXTUAL: Final = ("text/", "application/json", "application/xml", "image/svg")


def redacted(redactor: Redactor, kinds: Collection[Redaction]) -> Wrapper:
    """`kinds` of personal data are hidden, and secrets always.

    It lies within the size cap: that keeps what is too big as an artifact, and what is kept can be downloaded. The call
    itself is not touched: its server is sent what was asked.
    """

    async def redact(request: ToolCall, following: CallTool) -> ToolResult:
        result = await following(request)
        redaction = LongRedaction(redactor, kinds)
        return replace(
            result,
            content=await redaction.text(result.content),
            structured=await redaction.value(result.structured),
            blobs=tuple([await _redact_blob(redaction, blob) for blob in result.blobs]),
            blocks=None if result.blocks is None else await _redact_blocks(redaction, result.blocks),
        )

    return redact


def redact_spec(redactor: Redactor, spec: ToolSpec) -> ToolSpec:
    """What a server says of its tool may hold its own secrets, too."""
    return replace(
        spec,
        description=redactor.text(spec.description),
        input_schema=cast(JsonObject, redactor.value(spec.input_schema)),
        model_schema=cast(JsonObject, redactor.value(spec.model_schema)),
        annotations=cast(JsonObject, redactor.value(dict(spec.annotations))),
        shown=cast(JsonObject, redactor.value(dict(spec.shown))),
    )


async def _redact_blob(redaction: LongRedaction, blob: Blob) -> Blob:
    if blob.media_type.startswith(_TEXTUAL):
        try:
            return replace(blob, content=(await redaction.text(blob.content.decode())).encode())
        except UnicodeDecodeError:
            pass  # it is not what it says: looked through as bytes
    return replace(blob, content=await redaction.content(blob.content))


async def _redact_blocks(redaction: LongRedaction, blocks: tuple[JsonObject, ...]) -> tuple[JsonObject, ...]:
    return tuple([await _redact_block(redaction, block) for block in blocks])


async def _redact_block(redaction: LongRedaction, block: JsonObject) -> JsonObject:
    """Goes through the server's own block: what is in base64 as the bytes that it is."""
    clean: JsonObject = {}
    for key, value in block.items():
        if key == "text" and isinstance(value, str):
            clean[key] = await redaction.text(value)
        elif key in ("data", "blob") and isinstance(value, str):
            clean[key] = await _redact_base64(redaction, value)
        elif key == "resource" and isinstance(value, dict):
            clean[key] = await _redact_block(redaction, value)
        else:
            clean[key] = await redaction.value(value)
    return clean


async def _redact_base64(redaction: LongRedaction, data: str) -> str:
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return ""  # it is not what it says, and nobody could show it
    clean = await redaction.content(content)
    return data if clean == content else base64.b64encode(clean).decode()
