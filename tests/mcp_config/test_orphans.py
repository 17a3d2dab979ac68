"""No server outlives the product, not even when it is killed."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.mcp_config.rig import members
from tests.support.waiting import PATIENCE, until

PROJECT = Path(__file__).parent.parent.parent


@pytest.mark.slow
async def test_kill_9_of_the_product_ends_its_servers_and_what_they_started() -> None:
    modes = ("healthy", "stubborn", "grandchild", "runaway", "nobodys-child")
    command = (sys.executable, "-m", "tests.support.orphan_maker", *modes)
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"ready\n"
        ours = psutil.Process(process.pid).children(recursive=True)
        marks = {mark for child in ours if (mark := _mark(child))}
        groups = {os.getpgid(child.pid) for child in [*ours, *_marked(marks)]}
        # five servers and their warden, and two that are in sessions of their own
        assert (len(marks), len(groups)) == (5, 8)
    finally:
        process.kill()
        await process.wait()
    await until(lambda: not members(groups))


def _mark(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.environ().get("OPEN_AGENT_SERVER", "")
    return ""


def _marked(marks: set[str]) -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if _mark(one) in marks]
