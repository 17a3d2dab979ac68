"""A piece of the governed path: no result goes on, to a model or to where it is kept, with what must not be seen."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from config.agents import Redaction
from config.held_text import HeldText
from config.redaction import Redactor
from mcp_config.path import Wrapper
from mcp_config.tools import Blob, CallTool, ToolCall, ToolResult

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
        )

    return redact


async def redact_text(redactor: Redactor, text: str, kinds: Collection[Redaction]) -> str:
    if len(text) <= _AT_ONCE:
        return redactor.text(text, kinds, fields=True)
    held, parts = HeldText(redactor, kinds, fields=True), list[str]()
    for start in range(0, len(text), _AT_ONCE):
        parts.append(held.feed(text[start : start + _AT_ONCE]))
        await asyncio.sleep(0)
    return "".join([*parts, held.end()])


async def _redact_blob(redactor: Redactor, blob: Blob, kinds: Collection[Redaction]) -> Blob:
    if blob.media_type.startswith(_TEXTUAL):
        try:
            text = await redact_text(redactor, blob.content.decode(), kinds)
            return replace(blob, content=text.encode())
        except UnicodeDecodeError:
            pass  # it is not what it says: looked through as bytes
    return replace(blob, content=redactor.content(blob.content))
