"""A13: the tools that read files, docs and logs, stay in their folders whatever a path says, and wait for nothing."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_config.servers.devops.logs import LogTools
from mcp_config.servers.docs.index import DocsIndex
from mcp_config.servers.docs.tools import DocsTools
from mcp_config.servers.rooted_files import RootedFiles
from mcp_config.servers.serving import RefusedError

SECRET = "the secret outside"
Reads = Callable[[str], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`notes/` is what may be read; `secret.md` lies beside it."""
    (tmp_path / "secret.md").write_text(SECRET)
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.md").write_text("inside")
    (notes / "link.md").symlink_to(tmp_path / "secret.md")
    (notes / "out").symlink_to(tmp_path)
    (notes / "zero.md").symlink_to("/dev/zero")
    (notes / "environ.md").symlink_to("/proc/self/environ")
    os.mkfifo(notes / "pipe.md")
    return tmp_path


@pytest.fixture(params=["docs", "logs"])
def read(request: pytest.FixtureRequest, folder: Path) -> Reads:
    files = RootedFiles([folder / "notes"])
    return DocsTools(DocsIndex(files)).read if request.param == "docs" else LogTools(files).tail_log


@pytest.mark.parametrize(
    "path",
    [
        "notes/../secret.md",
        "../secret.md",
        "{folder}/secret.md",
        "{folder}/notes/../secret.md",
        "notes/link.md",
        "notes/out/secret.md",
        "notes/..%2fsecret.md",
        "notes/%2e%2e/secret.md",
        "notes/a.md\0",
        "notes/\0/../../secret.md",
        "/proc/self/environ",
        "notes/environ.md",
        "/dev/zero",
        "notes/zero.md",
        "notes/pipe.md",
        "file://{folder}/secret.md",
        "~/secret.md",
        "",
    ],
)
def test_every_way_out_is_refused_at_once(read: Reads, folder: Path, path: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        read(path.format(folder=folder))
    assert SECRET not in str(refusal.value)


def test_what_is_inside_is_read(read: Reads) -> None:
    assert "inside" in read("notes/a.md")


def test_a_link_that_is_swapped_in_while_it_reads_leads_nowhere(read: Reads, folder: Path) -> None:
    target, stop = folder / "notes" / "swap.md", threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for make in (lambda: target.write_text("inside"), lambda: target.symlink_to(folder / "secret.md")):
                target.unlink(missing_ok=True)
                make()

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(300):
            try:
                assert SECRET not in read("notes/swap.md")
            except RefusedError:
                continue
    finally:
        stop.set()
        swapper.join()
