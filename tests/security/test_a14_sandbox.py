"""A14: a hostile tool server in its sandbox, as root and as a user; `support/prison_visit.py` has what it tries."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mcp_config.sandbox.probe import find_sandboxes
from tests.support import prison_visit
from tests.support.passable import as_nobody
from tests.support.waiting import until

_CHECKOUT = Path(__file__).parent.parent.parent
_WHO = ("root", "user") if os.geteuid() == 0 else ("user",)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own folder: each pytest run closes that to other users."""
    with tempfile.TemporaryDirectory(prefix="cell-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "secret").write_text("top secret")
        (folder / "granted").write_text("fine")
        yield folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", _WHO)
@pytest.mark.parametrize("kind", ["bwrap", "landlock"])
async def test_a14_no_way_leads_out_of_the_sandbox(kind: str, who: str, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.support.prison_visit", kind, str(folder)]
    if who == "user" and os.geteuid() == 0:
        command = as_nobody(command, [sys.base_prefix, sys.prefix, str(_CHECKOUT)])
    environment = {"CANARY": prison_visit.CANARY, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    visit = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=_CHECKOUT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, escapes = await visit.communicate()
    assert visit.returncode == 0, escapes.decode() + said.decode()  # also: its signals did not end its visitor
    mark = f"sleep-of-the-prisoner-{folder}"
    # what has been killed may still be listed for a moment
    await until(lambda: not [each for each in psutil.process_iter(["cmdline"]) if mark in str(each.info["cmdline"])])


async def test_both_sandboxes_are_there_to_be_tried() -> None:
    """Otherwise the test above would say nothing."""
    available = await find_sandboxes()
    assert available.bwrap is not None
    assert available.landlock > 0
