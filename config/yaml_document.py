"""The plain part of YAML with line numbers: no tags, no anchors, no key twice. Knows no models."""

from dataclasses import dataclass
from typing import Final

import yaml
from pydantic import JsonValue
from yaml.reader import ReaderError

from config.errors import InvalidFile, Mistake
from config.key_path import KeyPath, shown_key
from config.wording import kind

_MAX_DEPTH: Final = 40


@dataclass(frozen=True)
class Document:
    """A file's value, and the line on which each part of it is written."""

    source: str
    value: JsonValue
    lines: dict[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """Returns the line of a value, or of the nearest thing around it that is there."""
        return next(self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines)


def parse_document(source: str, text: str) -> Document:
    """Returns what the text says; `source` is the name that messages give it.

    Raises:
        InvalidFile: it is not YAML, or uses a part of YAML that is not taken here.
    """
    try:
        _refuse_fancy(source, text)
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        return _Reading(source, loader).document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # PyYAML takes a `*` for an alias, and what is wrong for the name that is missing.
        hint = (
            "; put text that begins with * or & in quotes"
            if (error.context or "").endswith(("alias", "anchor"))
            else ""
        )
        raise _invalid(source, line, f"is not YAML: {error.problem or error.context}{hint}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _invalid(source, line, "holds a character that YAML does not allow") from None


def _refuse_fancy(source: str, text: str) -> None:
    # Over events, not nodes: nothing is built yet, so neither depth nor aliases can cost anything.
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _invalid(source, line, f"is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise _invalid(source, line, "anchors (&) and aliases (*) are not taken here; write it out, or in quotes")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise _invalid(source, line, "tags (!) are not taken here; put text in quotes")


def _invalid(source: str, line: int, detail: str) -> InvalidFile:
    return InvalidFile([Mistake(source, line, "", detail)])


class _Reading:
    """One walk over a file's nodes, gathering values, lines and mistakes."""

    def __init__(self, source: str, loader: yaml.SafeLoader) -> None:
        self._source = source
        self._loader = loader
        self._lines: dict[KeyPath, int] = {(): 1}
        self._mistakes: list[Mistake] = []

    def document(self, root: yaml.Node | None) -> Document:
        value = None if root is None else self._value(root, ())
        if self._mistakes:
            raise InvalidFile(self._mistakes)
        return Document(self._source, value, self._lines)

    def _value(self, node: yaml.Node, path: KeyPath) -> JsonValue:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> JsonValue:
        values: dict[str, JsonValue] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = "<<" if key_node.value == "<<" else self._loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                self._add(line, path, f"expected text as a key, got {kind(key)}; put it in quotes")
            elif key in values:
                self._add(line, (*path, key), f"is given already on line {self._lines[*path, key]}")
            else:
                self._lines[*path, key] = line
                values[key] = self._value(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.Node, path: KeyPath) -> JsonValue:
        try:
            value = self._loader.construct_object(node)
        except ValueError as error:
            self._add(node.start_mark.line + 1, path, f"{error}; put text in quotes")
            return None
        if value is None or isinstance(value, str | int | float):
            return value
        self._add(node.start_mark.line + 1, path, f"reads as a {type(value).__name__}; put text in quotes")
        return None

    def _add(self, line: int, path: KeyPath, detail: str) -> None:
        self._mistakes.append(Mistake(self._source, line, shown_key(path), detail))
