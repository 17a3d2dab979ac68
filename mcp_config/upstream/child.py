"""One server as a child process: its own group, a clean environment, lines of bounded length, and an end for sure.

Knows processes and bytes; what the lines mean is not its concern.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterable
from typing import Final
from uuid import uuid4

import psutil
from typing_extensions import override

from mcp_config.entries.server_config import ServerConfig
from mcp_config.sandbox.confine import Launch, prepare_launch, watched, with_made_folders
from mcp_config.upstream.message_size import MAX_MESSAGE
from mcp_config.upstream.warden import Warden
from mcp_config.upstream.warden_process import MARK, kill_marked

_CHUNK: Final = 64 * 1024
_STDERR_KEPT: Final = 64 * 1024
_GRACE_SECONDS: Final = 1.5


class LineTooLong(ValueError):
    """The child writes a line beyond `MAX_MESSAGE`."""


class _Pipes(asyncio.subprocess.SubprocessStreamProtocol):
    """As asyncio's own, but stderr goes to a bounded ring, and the exit shows though a grandchild holds a pipe."""

    def __init__(self) -> None:
        super().__init__(limit=_CHUNK, loop=asyncio.get_running_loop())
        self.exited = asyncio.Event()
        self.errors = bytearray()

    @override
    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        if fd == 2 and isinstance(data, bytes):
            self.errors += data
            del self.errors[:-_STDERR_KEPT]
        else:
            super().pipe_data_received(fd, data)

    @override
    def process_exited(self) -> None:
        self.exited.set()
        super().process_exited()


class Child:
    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes, mark: str) -> None:
        self._transport, self._mark = transport, mark
        self._pipes = pipes
        self._process = asyncio.subprocess.Process(transport, pipes, asyncio.get_running_loop())
        self.pid = self._process.pid

    async def write_line(self, line: bytes) -> None:
        """Raises `ConnectionError` when the child reads no more."""
        if self._process.stdin is None:
            raise BrokenPipeError
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()

    async def lines(self) -> AsyncIterator[bytes]:
        """Yields what the child prints, line by line, until it closes its output.

        Raises:
            LineTooLong: it writes one beyond the cap. What it went on to write is not read.
        """
        line = bytearray()
        while self._process.stdout is not None and (chunk := await self._process.stdout.read(_CHUNK)):
            head, *more = chunk.split(b"\n")
            line += head
            for start in more:
                yield bytes(line)
                line = bytearray(start)
            if len(line) > MAX_MESSAGE:
                raise LineTooLong

    def last_words(self) -> str:
        """Returns how it ended and the last line it wrote to stderr, for people."""
        words = self._pipes.errors.decode(errors="replace").strip().splitlines()
        said = f": {words[-1].strip()[:300]}" if words else ""
        match self._transport.get_returncode():
            case None:
                return f"closed its output{said}"
            case code if code < 0:
                return f"was ended by {signal.Signals(-code).name}{said}"
            case code:
                return f"exited with code {code}{said}"

    async def settle(self, seconds: float) -> None:
        """Waits a little for the exit that follows a closed output, so that `last_words` can tell it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pipes.exited.wait(), seconds)

    def kill(self) -> None:
        """Ends it and all it has started at once; the exit shows as usual."""
        started = self._find_started()
        self._signal_group(signal.SIGKILL)
        _kill(started)
        kill_marked({self._mark.encode()})

    async def end(self, *, at_once: bool) -> None:
        """Ends the whole group: asks by closing stdin, then by SIGTERM, unless `at_once`; then kills what is left.

        So it does with what has left the group, as far as it still hangs from the child when this begins, or still has
        the mark in its environment.
        """
        started = self._find_started()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if not at_once:
            await self.settle(_GRACE_SECONDS)
            if not self._pipes.exited.is_set():
                started += self._find_started()
                self._signal_group(signal.SIGTERM)
                await self.settle(_GRACE_SECONDS)
        started += self._find_started()
        self._signal_group(signal.SIGKILL)
        _kill(started)
        kill_marked({self._mark.encode()})
        await self.settle(_GRACE_SECONDS)
        # not `wait()`: a grandchild that left the group may hold the pipes open
        self._transport.close()

    def _find_started(self) -> list[psutil.Process]:
        """Returns what descends from the child, in whatever session: when it is gone nobody can tell any more."""
        if self._pipes.exited.is_set():
            return []  # its number may be another's by now
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def _signal_group(self, number: int) -> None:
        # also after the child's exit: its group lives on as long as anything it started
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has ended; psutil sees to it that it is no other by that number
            process.kill()


@contextlib.asynccontextmanager
async def open_child(config: ServerConfig, warden: Warden) -> AsyncIterator[Child]:
    """Starts the server and ends it, whatever happens in between.

    Raises:
        OSError: it cannot be started.
    """
    async with _open_launch(config) as launch:
        mark = uuid4().hex
        environment = {**launch.env, MARK: mark}
        transport, pipes = await asyncio.get_running_loop().subprocess_exec(
            _Pipes, *launch.command, env=environment, cwd=launch.cwd, start_new_session=True
        )
        child = Child(transport, pipes, mark)
        with warden.guard(child.pid, mark):
            orderly = False
            try:
                async with watched(launch, config.grants, child.pid, child.kill):
                    yield child
                orderly = True
            except asyncio.CancelledError:
                orderly = True
                raise
            finally:
                await child.end(at_once=not orderly)


@contextlib.asynccontextmanager
async def _open_launch(config: ServerConfig) -> AsyncIterator[Launch]:
    """Yields what is started. Made and cleared away in a thread: a sandbox looks at many files."""
    stack = contextlib.ExitStack()
    making = asyncio.ensure_future(asyncio.to_thread(lambda: stack.enter_context(_launched(config))))
    try:
        yield await asyncio.shield(making)
    finally:
        await asyncio.wait({making})  # cancelled meanwhile, it would leave a folder behind
        await asyncio.to_thread(stack.close)


def _launched(config: ServerConfig) -> contextlib.AbstractContextManager[Launch]:
    """Enters into what is started: the server itself, or its sandbox."""
    if config.confinement == "none":
        return contextlib.nullcontext(Launch(config.command, config.env, config.cwd))
    grants = with_made_folders(config.grants, config.name)
    return prepare_launch(config.name, config.command, config.env, config.cwd, grants, config.bwrap)
