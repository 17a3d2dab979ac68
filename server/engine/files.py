"""Text files of messages that are too long for a prompt: kept as artifacts, with a preview in their place."""

import base64
from collections.abc import Sequence
from typing import Final

import structlog

from config.ids import derive_id
from mcp_config.calls.content import cut
from mcp_config.tools import ToolResult
from nodes.window import ROOMY, bytes_of
from server.db.attachments import text_of
from server.db.queue import Claim
from server.db.store import Store
from server.errors import Unavailable
from server.resources.artifacts import NewArtifact
from server.resources.conversations import Attachment, Message

_SHARE: Final = 4
"""One file may take a quarter of what the model reads."""

_log = structlog.stdlib.get_logger("server.engine")


async def shelve_files(store: Store, claim: Claim, branch: Sequence[Message], tokens: int) -> list[Message]:
    """Returns the messages with a preview for each file that is too long for `tokens` of context.

    Models that read little are shown what fits, and nothing is kept: they are not offered to read on.
    """
    if tokens < ROOMY:
        return list(branch)
    room = bytes_of(tokens // _SHARE)
    return [await _shelve(store, claim, message, room) for message in branch]


async def _shelve(store: Store, claim: Claim, message: Message, room: int) -> Message:
    if not any(_is_long(attachment, room) for attachment in message.attachments):
        return message
    shown = [
        await _preview(store, claim, f"{message.id}/{place}", attachment, room)
        if _is_long(attachment, room)
        else attachment
        for place, attachment in enumerate(message.attachments)
    ]
    return message.model_copy(update={"attachments": shown})


def _is_long(attachment: Attachment, room: int) -> bool:
    # base64: four characters for three bytes
    return attachment.type == "file" and len(attachment.data or "") * 3 // 4 > room


async def _preview(store: Store, claim: Claim, place: str, attachment: Attachment, room: int) -> Attachment:
    text = text_of(attachment)
    new = NewArtifact(
        id=derive_id("art", place.partition("/")[0], place),
        owner=claim.owner,
        run_id=claim.run_id,
        call_id=None,
        name=attachment.name,
        media_type="text/plain; charset=utf-8",
    )
    try:
        kept = await store.artifacts.keep(new, text.encode())
    except Unavailable as error:  # the beginning and the end are there all the same
        _log.warning("attachment not kept", run_id=claim.run_id, code=error.code)
        kept = False
    shown = cut(ToolResult("ok", text), room, new.id if kept else None).content
    return attachment.model_copy(update={"data": base64.b64encode(shown.encode()).decode()})
