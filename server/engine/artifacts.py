"""Artifacts as tools, nodes and the governed path know them, over the store."""

import asyncio
import base64
import mimetypes
from collections.abc import Collection
from typing import Final

import structlog

from config.ids import derive_id
from mcp_config.tools import Caller, ToolCall
from server.db.store import Store
from server.errors import Unavailable
from server.resources.artifacts import NewArtifact

_MOST_PICTURES: Final = 4
_LARGEST_PICTURE: Final = 5 * 1024 * 1024

_log = structlog.stdlib.get_logger("server.engine")


class ArtifactShelf:
    """Satisfies the ports of the governed path, of the tool that reads artifacts, and of the nodes."""

    def __init__(self, store: Store) -> None:
        self._artifacts = store.artifacts

    async def keep(self, call: ToolCall, number: int, media_type: str, content: bytes) -> str | None:
        artifact_id = derive_id("art", call.id, str(number))
        suffix = mimetypes.guess_extension(media_type.partition(";")[0]) or ".bin"
        new = NewArtifact(
            id=artifact_id,
            owner=call.caller.owner,
            run_id=call.caller.run_id,
            call_id=call.id,
            name=f"{call.tool}{f'-{number}' if number else ''}{suffix}",
            media_type=media_type,
        )
        try:
            return artifact_id if await self._artifacts.keep(new, content) else None
        except Unavailable as error:  # the call has had its effect: its result is worth more than this copy of it
            _log.warning("artifact not kept", call_id=call.id, code=error.code)
            return None

    async def find_text(self, caller: Caller, artifact_id: str) -> str | None:
        found = await self._artifacts.find_content(caller.owner, caller.run_id, artifact_id)
        if found is None:
            return None
        artifact, content = found
        try:
            return await asyncio.to_thread(content.decode)
        except UnicodeDecodeError as error:
            raise ValueError(f"it is {artifact.media_type}, {artifact.size} bytes") from error

    async def within_reach(self, caller: Caller) -> bool:
        return caller.run_id is not None and await self._artifacts.within_reach(caller.owner, caller.run_id)

    async def pictures(self, caller: Caller, call_ids: Collection[str]) -> list[str]:
        found = await self._artifacts.pictures(caller.owner, call_ids, _MOST_PICTURES)
        return [
            f"data:{artifact.media_type};base64,{base64.b64encode(content).decode()}"
            for artifact, content in found
            if artifact.size <= _LARGEST_PICTURE
        ]
