"""Reads a YAML file into a pydantic model; every mistake is reported at once, with file, line and key."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from config.checkout import shown_path
from config.errors import InvalidFile
from config.model_mistakes import build_mistakes
from config.text_file import load_text
from config.yaml_document import parse_document

ModelT = TypeVar("ModelT", bound=BaseModel)


def load_yaml(path: Path, model: type[ModelT]) -> ModelT:
    """Returns what the file says. JSON is YAML too, so it reads both.

    Raises:
        UnreadableFile: the file is missing, too big, not UTF-8, or may not be read.
        InvalidFile: its mistakes, each with line, key and what was expected.
    """
    document = parse_document(shown_path(path), load_text(path))
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise InvalidFile(build_mistakes(document, model, error)) from None
