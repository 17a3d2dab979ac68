"""Path safety: nothing but regular files below the allowed roots can be opened, whatever the name says."""

import os
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mcp_config.servers.rooted_files import OutsideRootsError, RootedFiles

SECRET = "the secret outside"
PARTS = st.sampled_from(
    ["..", ".", "", "notes", "deep", "a.txt", "out", "secret.txt", "..%2f", "%2e%2e", "\0", "~", "C:"]
)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """`notes/` is allowed and full of traps; `secret.txt` lies beside it."""
    (tmp_path / "secret.txt").write_text(SECRET)
    notes = tmp_path / "notes"
    (notes / "deep").mkdir(parents=True)
    (notes / "a.txt").write_text("a")
    (notes / "deep" / "b.txt").write_text("b")
    (notes / "link.txt").symlink_to(tmp_path / "secret.txt")
    (notes / "out").symlink_to(tmp_path)
    (notes / "zero").symlink_to("/dev/zero")
    (notes / "inside.txt").symlink_to(notes / "a.txt")
    os.mkfifo(notes / "pipe.txt")
    return tmp_path


def open_roots(roots: Path) -> RootedFiles:
    return RootedFiles([roots / "notes"])


def test_files_below_a_root_are_read_by_name_and_by_absolute_path(roots: Path) -> None:
    files = open_roots(roots)
    assert files.read_file("notes/a.txt", 10) == b"a"
    assert files.read_file("notes/deep/b.txt", 10) == b"b"
    assert files.read_file(str(roots / "notes" / "a.txt"), 10) == b"a"


@pytest.mark.parametrize(
    "name",
    [
        "notes/../secret.txt",
        "../secret.txt",
        "secret.txt",
        "notes/link.txt",
        "notes/out/secret.txt",
        "notes/inside.txt",
        "notes/zero",
        "notes/pipe.txt",
        "notes/deep",
        "notes",
        "notes/",
        "notes//a.txt",
        "notes/a.txt/",
        "notes/a.txt/../a.txt",
        "notes/a.txt\0",
        "notes/..%2fsecret.txt",
        "/etc/passwd",
        "/proc/self/environ",
        "notes/" + "x" * 5_000,
        "notes/\ud800",
        "",
    ],
)
@pytest.mark.timeout(30)
def test_every_way_out_is_closed(roots: Path, name: str) -> None:
    with pytest.raises(OutsideRootsError):
        open_roots(roots).open_file(name)


def test_a_socket_is_no_file(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(roots / "notes")  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("talk.txt")
        with pytest.raises(OutsideRootsError):
            open_roots(roots).open_file("notes/talk.txt")


def test_a_file_that_is_too_big_is_refused_not_cut(roots: Path) -> None:
    (roots / "notes" / "big.txt").write_bytes(b"x" * 11)
    with pytest.raises(OutsideRootsError, match="bigger than 10 bytes"):
        open_roots(roots).read_file("notes/big.txt", 10)


def test_only_real_files_are_listed(roots: Path) -> None:
    (roots / "notes" / ".git").mkdir()
    (roots / "notes" / ".git" / "config").write_text("hidden")
    assert [file.name for file in open_roots(roots).walk(100)] == ["notes/a.txt", "notes/deep/b.txt"]
    assert len(list(open_roots(roots).walk(1))) == 1


def test_a_root_that_is_a_file_opens_itself_only(roots: Path) -> None:
    files = RootedFiles([roots / "notes" / "a.txt"])
    assert [file.name for file in files.walk(10)] == ["a.txt"]
    assert files.read_file("a.txt", 10) == b"a"
    for name in ("a.txt/deep/b.txt", "deep/b.txt", "notes/deep/b.txt", str(roots / "notes" / "deep" / "b.txt")):
        with pytest.raises(OutsideRootsError):
            files.open_file(name)


def test_roots_of_one_name_are_told_apart(roots: Path) -> None:
    (roots / "other" / "notes").mkdir(parents=True)
    (roots / "other" / "notes" / "a.txt").write_text("other")
    files = RootedFiles([roots / "notes", roots / "other" / "notes"])
    assert files.labels == ["notes", "notes-2"]
    assert files.read_file("notes-2/a.txt", 10) == b"other"


@pytest.mark.slow
@given(parts=st.lists(PARTS, max_size=6), absolute=st.booleans())
@example(parts=["notes", "out", "secret.txt"], absolute=False)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_combination_of_parts_reads_what_lies_outside(roots: Path, parts: list[str], absolute: bool) -> None:
    name = "/".join(parts)
    try:
        content = open_roots(roots).read_file(f"{roots}/{name}" if absolute else name, 100)
    except OutsideRootsError:
        return
    assert content == b"a"


def test_a_link_swapped_in_between_leads_nowhere(roots: Path) -> None:
    files, place = open_roots(roots), roots / "notes" / "swap"
    place.mkdir()
    (place / "secret.txt").write_text("harmless")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            place.rename(roots / "aside")
            place.symlink_to(roots)
            place.unlink()
            (roots / "aside").rename(place)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        contents = {content for _ in range(3_000) if (content := try_read(files, "notes/swap/secret.txt")) is not None}
    finally:
        stop.set()
        swapper.join()
    assert contents <= {b"harmless"}


def try_read(files: RootedFiles, name: str) -> bytes | None:
    try:
        return files.read_file(name, 100)
    except OutsideRootsError:
        return None
