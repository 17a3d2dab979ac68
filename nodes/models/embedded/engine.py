"""Keeps the engine running: fetches the weights, starts the process, waits for it, restarts it, ends it.

One task owns the process. Others see only where it listens, or why it does not. Nothing happens before somebody asks.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Never

from nodes.models.embedded.engine_process import EngineEnded, EngineProcess, open_engine_process
from nodes.models.embedded.fetching import fetch_weights
from nodes.models.embedded.platform_check import WRONG_PROCESSOR, find_obstacle
from nodes.models.embedded.weights import QWEN_CODER, Weights
from nodes.models.port import ModelError

_log = logging.getLogger(__name__)

EngineState = Literal["idle", "fetching", "starting", "warming", "ready", "failed"]
WarmUp = Callable[[], Awaitable[object]]
"""Asks the model something whose long beginning later prompts share, so that it is read before anybody waits."""

ENGINE_COMMAND: Final = (sys.executable, "-m", "nodes.models.embedded.child")
_BACKOFF_SECONDS: Final = (0.2, 0.5, 5.0, 30.0)
"""After a life that answered, after one failed start, after two, after more."""
_PATIENT_STARTS: Final = 2
"""After so many failed starts in a row nobody is kept waiting any more; the engine goes on trying."""
_WAIT_SECONDS: Final = 900.0


@dataclass(frozen=True)
class EngineHealth:
    state: EngineState
    detail: str = ""


class Engine:
    """The engine as its users see it."""

    def __init__(self, folder: Path, weights: Weights, command: Sequence[str]) -> None:
        self._folder = folder
        self._weights = weights
        self._command = command
        self._owner: asyncio.Task[None] | None = None
        self._warm_up: WarmUp | None = None
        self._address: str | None = None
        self._error: ModelError | None = None
        self._changed = asyncio.Event()
        self.health = EngineHealth("idle")

    def start(self, warm_up: WarmUp | None = None) -> None:
        """Starts it in the background, again where it had given up; `warm_up` is done after each start."""
        self._warm_up = warm_up or self._warm_up
        if self._owner is None or self._owner.done():
            self._error = None
            self._owner = asyncio.create_task(self._own())
            self._owner.add_done_callback(lambda _: self._wake())  # nobody waits for one that is no more

    async def address(self) -> str:
        """Returns where it listens, after starting it if need be.

        Raises: ModelError when it cannot start or takes too long.
        """
        self.start()
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while self._address is None:
                    if self._error:
                        raise self._error
                    if self._owner and self._owner.done():
                        await self._owner
                    await self._changed.wait()
        except TimeoutError as error:
            detail = f"the embedded model is still {self.health.state} ({self.health.detail}): try again later"
            raise ModelError("model_unavailable", detail) from error
        return self._address

    async def close(self) -> None:
        if self._owner:
            self._owner.cancel()
            await asyncio.gather(self._owner, return_exceptions=True)

    async def _own(self) -> None:
        try:
            weights = await self._find_weights()
            failed = 0
            while True:
                lived = await self._live(weights)
                failed = 0 if lived else failed + 1
                if failed >= _PATIENT_STARTS:
                    self._tell("failed", self.health.detail, error=ModelError("model_unavailable", self.health.detail))
                await asyncio.sleep(_BACKOFF_SECONDS[min(failed, len(_BACKOFF_SECONDS) - 1)])
        except ModelError as error:
            self._tell("failed", str(error), error=error)

    async def _find_weights(self) -> Path:
        if obstacle := await asyncio.to_thread(find_obstacle):  # it reads files
            raise ModelError("model_unavailable", obstacle)
        self._tell("fetching")
        loop = asyncio.get_running_loop()

        def tell(far: str) -> None:
            loop.call_soon_threadsafe(self._tell, "fetching", far)

        return await fetch_weights(self._weights, self._folder, tell)

    async def _live(self, weights: Path) -> bool:
        """Runs one process until it ends and returns whether it ever answered.

        Raises: ModelError when another start would end the same way.
        """
        try:
            async with open_engine_process(self._command, weights) as engine:
                self._tell("starting")
                address = await engine.answering()
                self._tell("warming" if self._warm_up else "ready", address=address)
                return await self._serve(engine)
        except EngineEnded as error:
            if error.illegal_instruction:
                raise ModelError("model_unavailable", WRONG_PROCESSOR) from error
            _log.warning("restarting the embedded model: %s", error)
            answered = self._address is not None
            self._tell("starting", str(error))
            return answered

    async def _serve(self, engine: EngineProcess) -> Never:
        warming = asyncio.create_task(self._warm())
        try:
            await engine.ended()
        finally:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)

    async def _warm(self) -> None:
        if self._warm_up:
            try:
                await self._warm_up()
            except ModelError as error:  # the first real call will then be slower, no more
                _log.warning("warming up the embedded model failed: %s", error)
        self._tell("ready", address=self._address)

    def _tell(
        self, state: EngineState, detail: str = "", *, address: str | None = None, error: ModelError | None = None
    ) -> None:
        self.health = EngineHealth(state, detail)
        self._address = address
        self._error = error
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@asynccontextmanager
async def open_engine(
    folder: Path, *, weights: Weights = QWEN_CODER, command: Sequence[str] = ENGINE_COMMAND
) -> AsyncIterator[Engine]:
    """Yields an engine that is idle until it is asked; its process ends with the block."""
    engine = Engine(folder, weights, command)
    try:
        yield engine
    finally:
        await engine.close()
