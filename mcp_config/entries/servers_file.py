"""Reads the `mcpServers` format that people already have (and VS Code's `servers`), ours under `x-open-agent`.

Every mistake is told with file, line, key and what was expected. What a file grants elsewhere (`autoApprove`, …)
grants nothing here.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue, ValidationError

from config.checkout import shown_path
from config.errors import InvalidFile, MissingFile, Mistake
from config.key_path import KeyPath, shown_key
from config.model_mistakes import build_mistakes
from config.references import UndefinedVariable, expand
from config.text_file import load_text
from config.yaml_document import Document, parse_document
from mcp_config.entries.server_config import ServerConfig
from mcp_config.entries.server_entry import ServersFile, build_config

_EXPANDED: Final = ("command", "args", "env", "cwd", "url", "headers", "x-open-agent")
_GRANT_NOTHING: Final = frozenset({"alwaysAllow", "autoApprove", "trust"})
_log = logging.getLogger(__name__)


def load_servers(source: str, variables: Mapping[str, str]) -> list[ServerConfig]:
    """Returns the servers to start, in the file's order; `source` is a path or the JSON itself.

    Raises:
        UnreadableFile: there is no such file, it is too big, not UTF-8, or may not be read.
        InvalidFile: its mistakes, each with line, key and what was expected.
    """
    if source.lstrip().startswith("{"):
        return build_servers("MCP_SERVERS", source, variables)
    path = Path(source)
    try:
        text = load_text(path)
    except MissingFile as error:
        raise MissingFile(f"{error}; MCP_SERVERS names it") from None
    return build_servers(shown_path(path), text, variables)


def build_servers(name: str, text: str, variables: Mapping[str, str]) -> list[ServerConfig]:
    """As `load_servers`, from the text of a file; `name` is what messages call it."""
    raw = _parse(name, text)
    document = _expanded(raw, variables)
    try:
        file = ServersFile.model_validate(document.value)
    except ValidationError as error:
        raise InvalidFile(build_mistakes(document, ServersFile, error)) from None
    _warn_of_ignored(name, file)
    written = {**_section(raw, "mcpServers"), **_section(raw, "servers")}
    entries = {**file.mcp_servers, **file.servers}
    return [build_config(key, e, written[key], variables) for key, e in entries.items() if not e.disabled]


def _parse(name: str, text: str) -> Document:
    try:
        value: JsonValue = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidFile([Mistake(name, error.lineno, "", f"is not JSON: {error.msg}")]) from None
    # read again as YAML, which JSON is, for the lines; it only dislikes tabs, which JSON's texts cannot hold
    return Document(name, value, parse_document(name, text.replace("\t", " ")).lines)


def _expanded(document: Document, variables: Mapping[str, str]) -> Document:
    mistakes: list[Mistake] = []

    def fill(value: JsonValue, path: KeyPath) -> JsonValue:
        if isinstance(value, dict):
            return {key: fill(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, (*path, place)) for place, inner in enumerate(value)]
        try:
            return expand(value, variables, users=path[2] == "headers") if isinstance(value, str) else value
        except UndefinedVariable as error:
            mistakes.append(Mistake(document.source, document.line(path), shown_key(path), str(error)))
            return value

    def fill_server(entry: JsonValue, path: KeyPath) -> JsonValue:
        if not isinstance(entry, dict) or entry.get("disabled") is True:
            return entry
        return {key: fill(value, (*path, key)) if key in _EXPANDED else value for key, value in entry.items()}

    root = dict(document.value) if isinstance(document.value, dict) else document.value
    for section in ("mcpServers", "servers") if isinstance(root, dict) else ():
        if isinstance(root, dict) and isinstance(servers := root.get(section), dict):
            root[section] = {name: fill_server(entry, (section, name)) for name, entry in servers.items()}
    if mistakes:
        raise InvalidFile(mistakes)
    return Document(document.source, root, document.lines)


def _section(document: Document, name: str) -> Mapping[str, JsonValue]:
    section = document.value.get(name) if isinstance(document.value, dict) else None
    return section if isinstance(section, dict) else {}


def _warn_of_ignored(name: str, file: ServersFile) -> None:
    for key in file.model_extra or ():
        _log.warning("%s: the key %s is not used here", name, key)
    for server, entry in {**file.mcp_servers, **file.servers}.items():
        for key in entry.model_extra or ():
            why = "grants nothing here; policies decide" if key in _GRANT_NOTHING else "is not used here"
            _log.warning("%s: %s.%s %s", name, server, key, why)
