"""A14: a hostile tool server in its sandbox, as root and as a user; `support/prison_visit.py` has what it tries."""

import asyncio
import json
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


async def _visit(kind: str, who: str, folder: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "tests.support.prison_visit", kind, str(folder)]
    if who == "user" and os.geteuid() == 0:
        command = as_nobody(command, [sys.base_prefix, sys.prefix, str(_CHECKOUT)])
    environment = {"CANARY": prison_visit.CANARY, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    visit = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=_CHECKOUT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await visit.communicate()
    assert visit.returncode == 0, errors.decode() + out.decode()
    said: dict[str, str] = json.loads(out)
    return said


@pytest.mark.slow
@pytest.mark.parametrize("who", _WHO)
@pytest.mark.parametrize("kind", ["bwrap", "landlock"])
async def test_a14_no_way_leads_out_of_the_sandbox(kind: str, who: str, folder: Path) -> None:
    said = await _visit(kind, who, folder)
    assert said["alive"] == "alive"  # and so is its visitor, whom it tried to kill
    assert (said["granted"], said["tcp_granted"]) == ("fine", "connected")
    assert said["environment"] == "end"
    for refused in ("secret", "shadow", "write_granted", "write_root", "write_shm", "tcp", "udp", "unix"):
        assert "Error" in said[refused], (refused, said[refused])
    assert not (folder / "written").exists()  # it may have one of this name in a folder of its own
    assert "udp_received" not in said
    assert said["kernel"] == "-1 -1 -1"
    assert said["memory"] == "MemoryError"
    assert _were_bounded(said["forks"], 100)
    assert _were_bounded(said["file"], 64_000_000)
    assert "filled" not in said["fill"]
    assert not [each for each in psutil.process_iter(["cmdline"]) if prison_visit.MARK in str(each.info["cmdline"])]


async def test_both_sandboxes_are_there_to_be_tried() -> None:
    """Otherwise the test above would say nothing."""
    available = await find_sandboxes()
    assert available.bwrap is not None
    assert available.landlock > 0


def _were_bounded(said: str, most: int) -> bool:
    """Either the kernel said no in time, or the server was ended for it."""
    words = said.split()
    return "SIGKILL" in said or (words[0] == "stopped" and int(words[1]) <= most)
