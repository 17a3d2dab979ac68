"""The engine finds its OpenMP runtime on a machine that has none."""

import asyncio
import sys
from pathlib import Path

from nodes.models.embedded.openmp import open_openmp

WHERE = """
import ctypes
ctypes.CDLL("libgomp.so.1")
print(next(line.split()[-1] for line in open("/proc/self/maps") if "libgomp" in line))
"""


async def test_the_engine_is_shown_the_library_of_the_wheel_before_the_systems() -> None:
    async with open_openmp() as libraries:
        shown = Path(libraries["LD_LIBRARY_PATH"])
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WHERE, env=libraries, stdout=asyncio.subprocess.PIPE
        )
        loaded, _ = await child.communicate()
    assert ".libs/libgomp" in loaded.decode()
    assert not shown.is_dir()  # noqa: ASYNC240  (one look after the fact)
