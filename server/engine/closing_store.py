"""A LangGraph store that can be closed. Knows no database."""

import asyncio

from langgraph.store.base.batch import AsyncBatchedBaseStore


class ClosingStore(AsyncBatchedBaseStore):
    __slots__ = ()

    async def close(self) -> None:
        """Ends the task that gathers what is asked at the same time: LangGraph leaves it to whoever ends the loop."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
