"""`open-agent` as people run it: as a process, in a pipe or on a terminal."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.checkout import CHECKOUT
from tests.http.serving import ADMIN_KEY
from tests.support.waiting import PATIENCE

_COMMAND = (sys.executable, "-m", "server.cli")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def surroundings(url: str | None = None, **more: str) -> dict[str, str]:
    """Returns the whole environment of the command: nothing of the person's who runs the tests."""
    server = {"OPEN_AGENT_URL": url, "OPEN_AGENT_API_KEY": ADMIN_KEY} if url else {}
    return {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8", **server, **more}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def run(*arguments: str, env: dict[str, str], stdin: str = "") -> Ran:
    """Runs the command in a pipe to its end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, cwd=CHECKOUT, env=env, stdin=pipe, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate(stdin.encode())
    return Ran(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def open_command(*arguments: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Yields the command while it runs in a pipe."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, cwd=CHECKOUT, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Terminal:
    """A command on a terminal of 80 columns, and all that it has written there."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._written = bytearray()
        self._more = asyncio.Event()
        self._closed = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    @property
    def text(self) -> str:
        return _ESCAPES.sub("", self._written.decode(errors="replace"))

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    async def shows(self, text: str, seconds: float = 15) -> None:
        """Waits until the text is there; a start of the command takes a while on a busy machine."""
        async with asyncio.timeout(seconds):
            while text not in self.text:
                self._more.clear()
                await self._more.wait()

    async def left(self) -> int:
        """Returns the exit code once the command has left and all that it wrote has been read."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            await self._closed.wait()  # its last words may be on their way when it is gone
        return code

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            piece = b""
        if not piece:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._closed.set()
        self._written += piece
        self._more.set()


@asynccontextmanager
async def open_terminal(*arguments: str, env: dict[str, str]) -> AsyncIterator[Terminal]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, cwd=CHECKOUT, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
