"""What both checkpointers share: they wait for their database, and take nothing from an attempt that is over."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Final, ParamSpec, TypeVar

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from typing_extensions import override

from graph.runner import ATTEMPT
from server.db.events import Fenced
from server.db.failures import telling
from server.engine.carrier import patiently
from server.engine.sealed_serializer import Unreadable

_log = structlog.stdlib.get_logger("server.engine")

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Claim:
    """On whose behalf something is read or written."""

    run_id: str
    attempt: int


AT_WORK: Final[ContextVar[Claim | None]] = ContextVar("checkpoint_claim", default=None)
"""What the cursor of a write has to check in its own transaction: LangGraph's signatures cannot carry it there."""


class PatientSaver(BaseCheckpointSaver[str]):
    """Does again what the database could not do. Each of these may be done twice: they write what they are given.

    It takes nothing from an attempt whose successor has read already. Within a process that is all there is to check;
    of other processes only PostgreSQL can know.
    """

    _errors: ClassVar[type[Exception]]
    """What the driver raises."""
    _newest: dict[str, int]
    """The newest attempt of each run that has read or written here."""

    @override
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        self._check(config)
        try:
            return await self._patiently(super().aget_tuple, config)
        except Unreadable:
            _log.warning("a checkpoint was sealed with another credentials.key; it counts as lost")
            return None

    @override
    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        with self._fenced(config):
            return await self._patiently(super().aput, config, checkpoint, metadata, new_versions)

    @override
    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],  # Any: LangGraph's own type for a channel's value
        task_id: str,
        task_path: str = "",
    ) -> None:
        with self._fenced(config):
            await self._patiently(super().aput_writes, config, writes, task_id, task_path)

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        self._newest.pop(thread_id, None)
        await self._patiently(super().adelete_thread, thread_id)

    async def _patiently(self, work: Callable[P, Awaitable[T]], *args: P.args, **options: P.kwargs) -> T:
        async def attempt() -> T:
            return await telling(work(*args, **options), self._errors)

        return await patiently(attempt)

    @contextmanager
    def _fenced(self, config: RunnableConfig) -> Iterator[None]:
        token = AT_WORK.set(self._check(config))
        try:
            yield
        finally:
            AT_WORK.reset(token)

    def _check(self, config: RunnableConfig) -> Claim | None:
        """Raises `Fenced` for an attempt that has a successor. Who names no attempt is not asked: it carries no run."""
        run_id, attempt = config["configurable"]["thread_id"], config["configurable"].get(ATTEMPT)
        if attempt is None:
            return None
        if attempt < self._newest.get(run_id, 0):
            raise Fenced(f"run {run_id} is not attempt {attempt}'s to checkpoint any more")
        self._newest[run_id] = attempt
        return Claim(run_id, attempt)
