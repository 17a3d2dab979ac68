"""Reads a YAML file into a pydantic model; every mistake is reported at once, with file, line and key."""

from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from config.checkout import shown_path
from config.errors import InvalidFile, UnreadableFile
from config.model_mistakes import build_mistakes
from config.yaml_document import parse_document

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_BYTES: Final = 1_000_000
"""More than any configuration that people write; less than what would hold up a start."""


def load_yaml(path: Path, model: type[ModelT]) -> ModelT:
    """Returns what the file says. JSON is YAML too, so it reads both.

    Raises:
        UnreadableFile: the file is missing, too big, not UTF-8, or may not be read.
        InvalidFile: its mistakes, each with line, key and what was expected.
    """
    document = parse_document(shown_path(path), _load_text(path))
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise InvalidFile(build_mistakes(document, model, error)) from None


def _load_text(path: Path) -> str:
    name = shown_path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableFile(f"{name}: there is no such file") from None
    except OSError as error:
        raise UnreadableFile(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UnreadableFile(f"{name}: is over {MAX_BYTES // 1_000_000} MB; configuration is smaller than that")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"{name}:{line}: is not UTF-8 text; save it as UTF-8") from None
