"""A piece of the governed path: what a model cannot be given is kept for people, and the model is told of it."""

from dataclasses import replace
from typing import Final

from mcp_config.calls.content import cut
from mcp_config.calls.path import Wrapper
from mcp_config.tools import Artifacts, Blob, CallTool, ToolCall, ToolResult

_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"


def size_cap(limit: int, artifacts: Artifacts | None) -> Wrapper:
    """A model is given no more than it can take; the whole becomes an artifact, as does all that is no text.

    Without `artifacts` nothing is kept, and that is said. Redaction lies further in than this piece: what is kept here
    can be downloaded.
    """

    async def cap(request: ToolCall, following: CallTool) -> ToolResult:
        result = await following(request)
        if request.client is None:  # an MCP client is given pictures and sounds as they are
            result = await _keep_blobs(request, result, artifacts)
        room = limit if request.room is None else min(limit, request.room)
        size = len(result.content.encode(errors="replace"))
        result = replace(result, blobs=())
        return cut(result, room, await _keep_text(request, result, artifacts) if size > room else None)

    return cap


async def _keep_blobs(request: ToolCall, result: ToolResult, artifacts: Artifacts | None) -> ToolResult:
    content, first = result.content, result.artifact_id
    for number, blob in enumerate(result.blobs, start=1):
        artifact_id = artifacts and await artifacts.keep(request, number, blob.media_type, blob.content)
        if artifact_id:
            content, first = content.replace(blob.stand_in, _named(blob, artifact_id), 1), first or artifact_id
    return replace(result, content=content, artifact_id=first, blobs=())


def _named(blob: Blob, artifact_id: str) -> str:
    return blob.stand_in.replace("not shown here]", f"kept as artifact {artifact_id}]")


async def _keep_text(request: ToolCall, result: ToolResult, artifacts: Artifacts | None) -> str | None:
    if artifacts is None:
        return None
    media_type = _JSON if result.structured is not None and result.content[:1] in ("{", "[") else _TEXT
    return await artifacts.keep(request, 0, media_type, result.content.encode(errors="replace"))
