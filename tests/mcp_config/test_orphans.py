"""No server outlives the product, not even when it is killed."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.mcp_config.rig import members
from tests.support.waiting import until

PROJECT = Path(__file__).parent.parent.parent


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_kill_9_of_the_product_ends_its_servers_and_what_they_started() -> None:
    command = (sys.executable, "-m", "tests.support.orphan_maker", "healthy", "stubborn", "grandchild")
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        groups = {os.getpgid(child.pid) for child in psutil.Process(process.pid).children(recursive=True)}
        assert len(groups) == 4  # three servers and their warden
    finally:
        process.kill()
        await process.wait()
    await until(lambda: not members(groups))
