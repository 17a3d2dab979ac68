"""`open-agent serve` as a process: started, found by what it prints, stopped or killed."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx

from config.checkout import CHECKOUT
from tests.support.quick_tools import PROGRAM as QUICK_TOOLS
from tests.support.waiting import PATIENCE

START_SECONDS = 240
"""For a start that takes two: on a machine that is busy with much else."""
CLOCK = ["-I", "-S", QUICK_TOOLS, "time"]
SERVERS = json.dumps({"mcpServers": {"time": {"command": "${PYTHON}", "args": CLOCK}}})


def build_environment(data_dir: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(data_dir),
        "DATA_DIR": str(data_dir),
        "MODEL_PROVIDER": "openai",
        "OPENAI_API_KEY": "sk-scripted",
        "MCP_SERVERS": SERVERS,
        "PORT": "0",
        "SHUTDOWN_GRACE_SECONDS": "2",
        "no_proxy": "127.0.0.1",
        **more,
    }


async def start_process(environment: dict[str, str], *arguments: str, log: Path | None = None) -> Process:
    """Starts it; a process that says much writes its log to a file, for nobody empties the pipe."""
    command = (sys.executable, "-m", "server.cli", "serve", *arguments)
    with log.open("ab") if log else nullcontext(PIPE) as errors:
        return await asyncio.create_subprocess_exec(*command, env=environment, cwd=CHECKOUT, stdout=PIPE, stderr=errors)


async def refused(environment: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    """Returns the exit code and what was said on standard error."""
    process = await start_process(environment, *arguments)
    async with asyncio.timeout(START_SECONDS):
        _, errors = await process.communicate()
    return process.returncode, errors.decode()


@dataclass
class Running:
    process: Process
    url: str
    key: str

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False)

    log: str = ""
    """What it wrote on standard error; whole once it has stopped."""

    async def stop(self) -> int | None:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int | None:
        """Returns the exit code once it has stopped."""
        async with asyncio.timeout(60):
            self.log += ((await self.process.communicate())[1] or b"").decode()
        return self.process.returncode

    async def kill(self) -> None:
        """Ends it as a crash would: nothing is put away."""
        self.process.kill()
        await self.process.communicate()


async def on_the_banner(process: Process) -> Running:
    assert process.stdout is not None
    told: dict[str, str] = {}
    while "API docs" not in told:
        line = (await process.stdout.readline()).decode()
        assert line, (await process.communicate())[1]
        for name in ("Address", "API key", "API docs"):
            if line.strip().startswith(name):
                told[name] = line.strip().removeprefix(name).strip()
    return Running(process, told["Address"], told["API key"])


async def in_the_log(process: Process) -> Running:
    assert process.stderr is not None
    log = ""
    while '"open-agent is up"' not in (line := (await process.stderr.readline()).decode()):
        assert line, log
        log += line
    told = json.loads(line)
    return Running(process, told["address"], text_of(told["key"].removeprefix("in ")), log + line)


def text_of(path: str) -> str:
    return Path(path).read_text().strip()


@asynccontextmanager
async def serving(environment: dict[str, str], log: Path | None = None) -> AsyncIterator[Running]:
    process = await start_process(environment, log=log)
    tell = in_the_log if environment.get("LOG_FORMAT") == "json" else on_the_banner
    try:
        async with asyncio.timeout(START_SECONDS):
            running = await tell(process)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
