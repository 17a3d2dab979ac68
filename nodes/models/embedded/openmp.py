"""The OpenMP runtime that the engine is linked against, `libgomp.so.1`: a bare system has none, and only root
can install one there.

A small locked wheel brings a copy under a name of its own; the engine is shown it under the name it looks for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_WHEEL: Final = "simsimd"
_NAME: Final = "libgomp.so.1"


@asynccontextmanager
async def open_openmp() -> AsyncIterator[dict[str, str]]:
    """Yields what the engine's environment needs so that the library is found; nothing where no wheel brings one."""
    library = await asyncio.to_thread(find_library)
    if library is None:
        yield {}
        return
    folder = await asyncio.to_thread(TemporaryDirectory, prefix="open-agent-")
    try:
        await asyncio.to_thread((Path(folder.name) / _NAME).symlink_to, library)
        yield {"LD_LIBRARY_PATH": folder.name}
    finally:
        await asyncio.to_thread(folder.cleanup)


def find_library() -> Path | None:
    """Returns the copy that the wheel brought."""
    try:
        brought = files(_WHEEL) or []
    except PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in brought if file.name.startswith("libgomp")), None)
