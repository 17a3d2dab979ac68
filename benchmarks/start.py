"""What starts cost in seconds of CPU, whatever else the machine does: `python -m benchmarks.start [TIMES]`.

Of the server with a new data folder, of the same once more, of `open-agent --help`, and of a tool server that comes
with the product. Each is counted in its own process from exec until it is ready: the banner, the end, the first answer.
"""

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from pathlib import Path
from typing import Final

import psutil

from config.checkout import CHECKOUT
from tests.support.server_process import build_environment, serving

GREETING: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "start", "version": "0"}},
}


def spent(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


async def serve(folder: Path) -> float:
    async with serving(build_environment(folder, MCP_SERVERS='{"mcpServers": {}}')) as running:
        return spent(running.process.pid)


async def ask_for_help() -> float:
    before = psutil.Process().cpu_times()
    process = await _start("server.cli", "--help")
    await process.communicate()
    after = psutil.Process().cpu_times()
    return after.children_user + after.children_system - before.children_user - before.children_system


async def start_tool_server() -> float:
    process = await _start("mcp_config.servers.docs")
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 - they are pipes
    process.stdin.write(json.dumps(GREETING).encode() + b"\n")
    await process.stdout.readline()
    needed = spent(process.pid)
    process.stdin.close()
    await process.wait()
    return needed


async def _start(*module: str) -> Process:
    command = (sys.executable, "-m", *module)
    return await create_subprocess_exec(*command, cwd=CHECKOUT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)


async def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return {
            "first start": await serve(Path(folder)),
            "later start": await serve(Path(folder)),
            "open-agent --help": await ask_for_help(),
            "the docs tool server": await start_tool_server(),
        }


async def main(times: int) -> None:
    rounds = [await measure() for _ in range(times)]
    for what in rounds[0]:
        print(f"{what:22} {min(each[what] for each in rounds):.2f} s of CPU")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
