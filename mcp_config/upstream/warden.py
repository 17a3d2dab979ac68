"""Sees to it that no server outlives the product, not even after `kill -9`: one small process that watches for us.

A parent-death signal would not do: it reaches the child alone, not what the child has started.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

_PROGRAM: Final = Path(__file__).with_name("warden_process.py")
_END_SECONDS: Final = 2.0


class Warden:
    """Knows the process groups that must end with us, and the marks of what may have left them."""

    def __init__(self, pipe: asyncio.StreamWriter | None) -> None:
        self._pipe = pipe

    @contextlib.contextmanager
    def guard(self, group: int, mark: str) -> Iterator[None]:
        """Has the group, and whatever has the mark, killed should we vanish inside this block."""
        if self._pipe is None:
            raise RuntimeError("no child was to be started here")
        self._pipe.write(f"+{group} {mark}\n".encode())
        try:
            yield
        finally:
            self._pipe.write(f"-{group} {mark}\n".encode())


@contextlib.asynccontextmanager
async def open_warden(*, wanted: bool = True) -> AsyncIterator[Warden]:
    """Yields the warden. Where no child will be started it is not `wanted`, and no process of ours either."""
    if not wanted:
        yield Warden(None)
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(_PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    if process.stdin is None:
        raise RuntimeError("the warden has no pipe")
    try:
        yield Warden(process.stdin)
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
