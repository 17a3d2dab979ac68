"""A piece of the governed path: no result goes on, to a model or to where it is kept, with what must not be seen."""

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import Collection
from dataclasses import replace
from typing import Final, cast

from config.agents import Redaction
from config.held_text import HeldText
from config.redaction import Redactor
from mcp_config.path import Wrapper
from mcp_config.tools import Blob, CallTool, JsonObject, ToolCall, ToolResult, ToolSpec

_AT_ONCE: Final = 64 * 1024
"""Characters: longer results are gone through piece by piece, so that nobody else waits for one of them."""
_TEXTUAL: Final = ("text/", "application/json", "application/xml", "image/svg")


def redacted(redactor: Redactor, kinds: Collection[Redaction]) -> Wrapper:
    """`kinds` of personal data are hidden, and secrets always.

    It lies within the size cap: that keeps what is too big as an artifact, and what is kept can be downloaded. The call
    itself is not touched: its server is sent what was asked.
    """

    async def redact(request: ToolCall, following: CallTool) -> ToolResult:
        result = await following(request)
        return replace(
            result,
            content=await redact_text(redactor, result.content, kinds),
            structured=redactor.value(result.structured, kinds),
            blobs=tuple([await _redact_blob(redactor, blob, kinds) for blob in result.blobs]),
            blocks=await _redact_blocks(redactor, result.blocks, kinds),
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
    )


async def redact_text(redactor: Redactor, text: str, kinds: Collection[Redaction]) -> str:
    if len(text) <= _AT_ONCE:
        return _redact_at_once(redactor, text, kinds)
    held, parts = HeldText(redactor, kinds, fields=True), list[str]()
    for start in range(0, len(text), _AT_ONCE):
        parts.append(held.feed(text[start : start + _AT_ONCE]))
        await asyncio.sleep(0)
    return "".join([*parts, held.end()])


def _redact_at_once(redactor: Redactor, text: str, kinds: Collection[Redaction]) -> str:
    """What is JSON stays JSON: a number that is hidden becomes a text, a key cut short ends where its text ends."""
    shown = redactor.text(text, kinds, fields=True)
    if shown == text or not text.lstrip().startswith(("{", "[")):
        return shown
    with contextlib.suppress(ValueError, RecursionError):
        data = json.loads(text)
        try:
            json.loads(shown)
        except ValueError:
            return json.dumps(redactor.value(data, kinds), ensure_ascii=False)
    return shown


async def _redact_blob(redactor: Redactor, blob: Blob, kinds: Collection[Redaction]) -> Blob:
    if blob.media_type.startswith(_TEXTUAL):
        try:
            text = await redact_text(redactor, blob.content.decode(), kinds)
            return replace(blob, content=text.encode())
        except UnicodeDecodeError:
            pass  # it is not what it says: looked through as bytes
    return replace(blob, content=redactor.content(blob.content))


async def _redact_blocks(
    redactor: Redactor, blocks: tuple[JsonObject, ...] | None, kinds: Collection[Redaction]
) -> tuple[JsonObject, ...] | None:
    return None if blocks is None else tuple([await _redact_block(redactor, block, kinds) for block in blocks])


async def _redact_block(redactor: Redactor, block: JsonObject, kinds: Collection[Redaction]) -> JsonObject:
    """Goes through the server's own block: long texts piece by piece, and what is in base64 as the bytes that it is."""
    clean: JsonObject = {}
    for key, value in block.items():
        if key == "text" and isinstance(value, str):
            clean[key] = await redact_text(redactor, value, kinds)
        elif key in ("data", "blob") and isinstance(value, str):
            clean[key] = _redact_base64(redactor, value)
        elif key == "resource" and isinstance(value, dict):
            clean[key] = await _redact_block(redactor, value, kinds)
        else:
            clean[key] = redactor.value(value, kinds)
    return clean


def _redact_base64(redactor: Redactor, data: str) -> str:
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return ""  # it is not what it says, and nobody could show it
    clean = redactor.content(content)
    return data if clean == content else base64.b64encode(clean).decode()
