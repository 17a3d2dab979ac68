"""Runs another program to read its output: fixed arguments, no shell, a deadline, a cap on what is read."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from mcp_config.servers.readable import clip_lines
from mcp_config.servers.serving import RefusedError

_SECONDS = 10.0
_MAX_BYTES = 2**20
_MAX_CHARACTERS = 4_000
_ERROR_LINES, _ERROR_CHARACTERS = 3, 600
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,199}")


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
    program = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, whole = await _read(program)
            failed = whole and await program.wait() != 0
    except TimeoutError:
        raise RefusedError(f"{Path(argv[0]).name} did not answer within {_SECONDS:g} seconds") from None
    finally:
        await _end(program)
    lines = output.decode(errors="replace").splitlines()
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


async def _read(program: asyncio.subprocess.Process) -> tuple[bytes, bool]:
    """Reads up to the cap; True if that was all."""
    output = bytearray()
    while program.stdout is not None and len(output) <= _MAX_BYTES:
        piece = await program.stdout.read(65_536)
        if not piece:
            return bytes(output), True
        output += piece
    return bytes(output[:_MAX_BYTES]), False


async def _end(program: asyncio.subprocess.Process) -> None:
    """Leaves nothing running, not even what the program started itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    await program.wait()
