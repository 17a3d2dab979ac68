"""The checkpointer as the graph sees it: a write that was begun is finished, and a run's end can wait for its writes.

LangGraph notes that a node was cancelled when nothing waits for its writes any more, and a write that is itself
cancelled may stand between a statement and its commit. It knows nothing of where the checkpoints lie.
"""

import asyncio
import copy
from collections import defaultdict
from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Final, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from typing_extensions import override

T = TypeVar("T")
_PATIENCE_SECONDS: Final = 4.0
"""Enough for a database that works, and less than an engine that stops gives its runs to let go."""


class Settling(BaseCheckpointSaver[str]):
    """Hands everything on to the `saver`."""

    def __init__(self, saver: BaseCheckpointSaver[str]) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver
        self._writing: defaultdict[str, set[asyncio.Task[Any]]] = defaultdict(set)

    @override
    def get_next_version(self, current: str | None, channel: None) -> str:
        return self._saver.get_next_version(current, channel)

    @override
    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> BaseCheckpointSaver[str]:
        clone = copy.copy(self)
        clone._saver = self._saver.with_allowlist(extra_allowlist)
        return clone

    @override
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._saver.aget_tuple(config)

    # Writes begin when they are asked for, not when they are first awaited: LangGraph may not come to that.
    @override
    def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Coroutine[Any, Any, RunnableConfig]:
        return self._begin(config, self._saver.aput(config, checkpoint, metadata, new_versions))

    @override
    def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],  # Any: LangGraph's own type for a channel's value
        task_id: str,
        task_path: str = "",
    ) -> Coroutine[Any, Any, None]:
        return self._begin(config, self._saver.aput_writes(config, writes, task_id, task_path))

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        await self._saver.adelete_thread(thread_id)

    async def settle(self, run_id: str) -> None:
        """Returns when nothing more is written for the run. What takes too long is given up."""
        writing = self._writing.pop(run_id, set())
        if not writing:
            return
        _, late = await asyncio.wait(writing, timeout=_PATIENCE_SECONDS)
        for write in late:
            write.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, config: RunnableConfig, write: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        run_id: str = config["configurable"]["thread_id"]
        task = asyncio.create_task(write, name=f"checkpoint {run_id}")
        self._writing[run_id].add(task)
        task.add_done_callback(lambda done: self._end(run_id, done))
        return _outcome(task)

    def _end(self, run_id: str, task: asyncio.Task[Any]) -> None:
        if writing := self._writing.get(run_id):
            writing.discard(task)
            if not writing:
                del self._writing[run_id]
        if not task.cancelled():
            task.exception()  # told to whoever still waits; a run that was cancelled does not


async def _outcome(write: asyncio.Task[T]) -> T:
    return await asyncio.shield(write)
