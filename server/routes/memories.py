"""Memories: what agents remember about the caller, to be looked at and to be forgotten. Each caller's own alone."""

from typing import Final

from server.auth import Caller
from server.resources.memories import Memory
from server.resources.pages import Page
from server.routes.dependencies import App, MemoryId, WantedPage, build_router, problems
from server.routes.paging import build_page

router: Final = build_router("/v1/memories", "memories")


@router.get("", operation_id="list_memories")
async def list_memories(app: App, caller: Caller, page: WantedPage) -> Page[Memory]:
    """Lists what is remembered about the caller, the newest first."""
    return build_page(await app.memories.all(caller.name), lambda memory: memory.id, page)


@router.get("/{memory_id}", operation_id="get_memory", responses=problems(404))
async def get_memory(app: App, caller: Caller, memory_id: MemoryId) -> Memory:
    return await app.memories.get(caller.name, memory_id)


@router.delete("/{memory_id}", operation_id="delete_memory", status_code=204, responses=problems(404))
async def delete_memory(app: App, caller: Caller, memory_id: MemoryId) -> None:
    """Forgets one thing. No later prompt holds it."""
    await app.memories.delete(caller.name, memory_id)


@router.delete("", operation_id="delete_all_memories", status_code=204)
async def delete_all_memories(app: App, caller: Caller) -> None:
    """Forgets all that is remembered about the caller."""
    await app.memories.delete_all(caller.name)
