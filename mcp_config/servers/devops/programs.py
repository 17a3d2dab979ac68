"""Runs another program to read its output: fixed arguments, no shell, a deadline, a cap on what is read."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from mcp_config.servers.readable import clip_lines
from mcp_config.servers.serving import RefusedError

_SECONDS: Final = 10.0
_MAX_BYTES: Final = 2**20
_MAX_CHARACTERS: Final = 4_000
_ERROR_LINES: Final = 3
_ERROR_CHARACTERS: Final = 600
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,199}")


def check_name(name: str) -> str:
    """Returns a name that cannot be taken for an option.

    Raises:
        RefusedError: It can, or has characters that no name has.
    """
    if _NAME.fullmatch(name.strip()) is None:
        raise RefusedError(f"{name!r} is not a name")
    return name.strip()


async def run_program(argv: Sequence[str]) -> list[str]:
    """Returns the lines of output, errors among them.

    Raises:
        RefusedError: It failed, or took too long; the text is what it said.
    """
    async with _started(argv) as (program, output):
        try:
            async with asyncio.timeout(_SECONDS):
                said, whole = await _read(output)
                failed = whole and await program.wait() != 0
        except TimeoutError:
            raise RefusedError(f"{Path(argv[0]).name} did not answer within {_SECONDS:g} seconds") from None
    lines = said.decode(errors="replace").splitlines()
    if failed:
        # the last lines say what went wrong
        raise RefusedError(
            "\n".join(lines[-_ERROR_LINES:])[-_ERROR_CHARACTERS:].strip() or f"{Path(argv[0]).name} failed"
        )
    return lines if whole else [*lines, f"… cut after {_MAX_BYTES} bytes"]


def show_first(lines: Sequence[str]) -> str:
    """Returns the beginning of a list, and says how much is left out."""
    kept, more = clip_lines(lines, _MAX_CHARACTERS)
    return "\n".join([*kept, *([f"… {more} more lines"] if more else [])]) or "Nothing."


def show_last(lines: Sequence[str]) -> str:
    """Returns the end of a log, and says how much is left out."""
    kept, earlier = clip_lines(reversed(lines), _MAX_CHARACTERS)
    return "\n".join([*([f"… {earlier} earlier lines"] if earlier else []), *reversed(kept)]) or "No lines."


@asynccontextmanager
async def _started(argv: Sequence[str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """Yields the program and what it writes, and leaves nothing running, not even what the program started itself.

    The pipe is ours: of one that asyncio makes, a program's exit is not told before its end was read, and that never
    happens to one that floods.
    """
    ours, theirs = os.pipe()
    output = asyncio.StreamReader()
    with contextlib.ExitStack() as stack:
        pipe = stack.enter_context(os.fdopen(ours, "rb", buffering=0))
        with os.fdopen(theirs, "wb", buffering=0) as end:
            program = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=end, stderr=end, start_new_session=True
            )
        try:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(output), pipe
            )
            stack.callback(transport.close)
            yield program, output
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            await program.wait()


async def _read(output: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Reads up to the cap; True if that was all."""
    said = bytearray()
    while len(said) <= _MAX_BYTES:
        piece = await output.read(65_536)
        if not piece:
            return bytes(said), True
        said += piece
    return bytes(said[:_MAX_BYTES]), False
