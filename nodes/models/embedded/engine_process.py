"""One life of the engine's process: started in a group of its own, answering, gone.

Knows nothing of restarts. Needs no goodbye: the process keeps nothing that a kill could lose.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Never

import httpx

from config.checkout import CHECKOUT
from nodes.models.embedded.openmp import open_openmp
from nodes.models.traits import EMBEDDED_CONTEXT

_START_SECONDS: Final = 300.0
"""Loading takes 5 to 25 s, and longer from a slow disk."""
_START_POLL_SECONDS: Final = 0.1
_HEALTH_EVERY_SECONDS: Final = 10.0
_HEALTH_SECONDS: Final = 60.0
"""A machine with all its cores at work may answer slowly; one that takes longer hangs."""
_KEPT_BYTES: Final = 2000
_MOST_THREADS: Final = 8
"""More do not make so small a model quicker."""


class EngineEnded(Exception):
    """The engine is gone or hangs."""

    def __init__(self, why: str, returncode: int | None = None) -> None:
        super().__init__(why)
        self.illegal_instruction = returncode == -signal.SIGILL


class EngineProcess:
    """A started engine; `address` is known once `answering` has returned."""

    def __init__(self, process: asyncio.subprocess.Process, out: asyncio.StreamReader, http: httpx.AsyncClient) -> None:
        self._process = process
        self._out = out
        self._http = http
        self.last_words = ""
        self.address = ""

    async def answering(self) -> str:
        """Returns the address once requests are answered there.

        Raises: EngineEnded.
        """
        try:
            async with asyncio.timeout(_START_SECONDS):
                self.address = (await self._out.readline()).decode().strip() or await self._gone()
                while not await self._is_healthy():  # noqa: ASYNC110  (another process sets no event of ours)
                    await asyncio.sleep(_START_POLL_SECONDS)
        except TimeoutError as error:
            raise EngineEnded(f"the engine did not start within {_START_SECONDS:.0f} s") from error
        return self.address

    async def ended(self) -> Never:
        """Waits as long as the engine lives and answers.

        Raises: EngineEnded.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone(), _HEALTH_EVERY_SECONDS)
            if not await self._is_healthy():
                raise EngineEnded(f"the engine has not answered for {_HEALTH_SECONDS:.0f} s")

    async def _gone(self) -> Never:
        code = await self._process.wait()
        raise EngineEnded(f"the engine ended with status {code}: {self.last_words or 'it said nothing'}", code)

    async def _is_healthy(self) -> bool:
        if self._process.returncode is not None:
            await self._gone()
        with contextlib.suppress(httpx.HTTPError):
            return (await self._http.get(f"{self.address}/health")).status_code == httpx.codes.OK
        return False

    async def drain(self, errors: asyncio.StreamReader) -> None:
        """Reads what the engine complains of, so that it never waits for a reader."""
        kept = b""
        while said := await errors.read(4096):
            kept = (kept + said)[-_KEPT_BYTES:]
            self.last_words = " ".join(kept.decode(errors="replace").split())


@asynccontextmanager
async def open_engine_process(command: Sequence[str], weights: Path) -> AsyncIterator[EngineProcess]:
    """Starts the engine with a clean environment and ends it, with whatever it has started."""
    arguments = (str(weights), str(EMBEDDED_CONTEXT), str(_threads()), str(os.getpid()))
    async with open_openmp() as libraries:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            cwd=CHECKOUT,
            # waiting threads leave the cores to others
            env={"PATH": os.defpath, "OMP_WAIT_POLICY": "passive", **libraries},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        async with _attended(process) as engine:
            yield engine


@asynccontextmanager
async def _attended(process: asyncio.subprocess.Process) -> AsyncIterator[EngineProcess]:
    """Reads what the process says, and ends it and whatever it has started."""
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("the engine has no pipes")
    http = httpx.AsyncClient(trust_env=False, timeout=_HEALTH_SECONDS)
    engine = EngineProcess(process, process.stdout, http)
    draining = asyncio.create_task(engine.drain(process.stderr))
    try:
        yield engine
    finally:
        await http.aclose()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await draining


def _threads() -> int:
    return min(len(os.sched_getaffinity(0)), _MOST_THREADS)
