"""Reads what a server lists, page by page, within bounds, for its pages may be endless or lead in a circle."""

import asyncio
from typing import Final

from pydantic import JsonValue

from mcp_config.definitions.definition import Listing, build_listing
from mcp_config.upstream.sdk import Session

_MAX_PAGES: Final = 50
_MAX_TOOLS: Final = 500


async def read_listing(session: Session) -> Listing:
    """Returns the tools that the server offers now. Raises `ToolError`, in one of its kinds."""
    entries: list[JsonValue] = []
    cursor, seen = None, set[str]()
    for _ in range(_MAX_PAGES):
        page = await session.list_page(cursor)
        tools, following = page.get("tools"), page.get("nextCursor")
        entries += tools if isinstance(tools, list) else []
        if not isinstance(following, str) or following in seen or len(entries) >= _MAX_TOOLS:
            break
        cursor, seen = following, {*seen, following}
    # in a thread: to prove one schema may take longer than others should wait
    return await asyncio.to_thread(build_listing, entries[:_MAX_TOOLS])
