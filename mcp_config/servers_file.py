"""Reads the `mcpServers` format that people already have (and VS Code's `servers`), ours under `x-open-agent`.

Every mistake is told with file, line, key and what was expected. What a file grants elsewhere (`autoApprove`, …)
grants nothing here.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PositiveFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from config.checkout import shown_path
from config.errors import InvalidFile, MissingFile, Mistake
from config.key_path import KeyPath, shown_key
from config.model_mistakes import build_mistakes
from config.references import UndefinedVariable, expand, wanted_of_user
from config.text_file import load_text
from config.yaml_document import Document, parse_document
from mcp_config.login_terms import OAuthGiven
from mcp_config.sandbox.grants import MEBIBYTE, Grants, Sandbox
from mcp_config.server_config import ServerConfig, Transport
from mcp_config.server_secrets import build_secrets

_EXPANDED: Final = ("command", "args", "env", "cwd", "url", "headers", "x-open-agent")
_INHERITED: Final = ("HOME", "PATH", "USER", "SHELL", "TERM", "LOGNAME", "LANG")
_GRANT_NOTHING: Final = frozenset({"alwaysAllow", "autoApprove", "trust"})
_TRANSPORTS: Final[Mapping[str, Transport]] = {
    "stdio": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamableHttp": "http",
    "sse": "sse",
}

_log = logging.getLogger(__name__)


class _Granted(BaseModel):
    """What a sandboxed server may have of this machine."""

    model_config = ConfigDict(extra="forbid")

    read: list[str] = []
    write: list[str] = []
    hide: list[str] = []
    sockets: list[str] = []
    network: bool = False
    private: bool = False
    """For a server that is reached by `url`: its name may mean a machine of a private network."""
    memory_mb: int = Field(2048, ge=64)
    processes: int = Field(64, ge=1)
    file_mb: int = Field(64, ge=1)

    @field_validator("network", mode="before")
    @classmethod
    def _by_variable(cls, value: JsonValue) -> JsonValue:
        """A `${VARIABLE}` grants the network by having a value."""
        return bool(value) if isinstance(value, str) and value not in ("true", "false") else value

    def build(self) -> Grants:
        return Grants(
            read=_paths(self.read),
            write=_paths(self.write),
            hide=_paths(self.hide),
            sockets=_paths(self.sockets),
            network=self.network,
            memory=self.memory_mb * MEBIBYTE,
            processes=self.processes,
            file=self.file_mb * MEBIBYTE,
        )


def _paths(given: Sequence[str]) -> tuple[str, ...]:
    """Returns the paths that are named; a variable may hold several, as PATH does, or none."""
    return tuple(path for entry in given for path in entry.split(os.pathsep) if path)


class _Ours(BaseModel):
    """The keys that only this product knows."""

    model_config = ConfigDict(extra="forbid")

    allow: list[str] = ["*"]
    deny: list[str] = []
    prefix: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{0,40}$")
    repeatable: list[str] = []
    sandbox: Sandbox = "none"
    grant: _Granted = Field(default_factory=_Granted)
    dangerous: bool = False
    allow_unsandboxed: bool = False
    """Says aloud that a dangerous server may run without a sandbox where none works."""
    required: bool = False
    bearer_file: str | None = None
    """For a server that is reached by `url`: the file that holds the key for it."""
    auth: OAuthGiven | None = None
    """For a server that is reached by `url`: how it is logged in to."""
    list_headers: dict[str, str] = {}
    """For a server whose `headers` want something of each user: what is sent to learn what it offers."""
    sampling: bool = False
    """Lets it ask the models of MCP clients that call it at `/mcp/{server}`."""
    timeout: PositiveFloat | None = None
    start_timeout: PositiveFloat | None = None
    needs: list[str] = []
    """Paths without which it is not started, so that its absence is told in plain words."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Literal["stdio", "http", "streamable-http", "streamable_http", "streamableHttp", "sse"] | None = None
    transport: Literal["stdio", "http", "streamable-http", "streamable_http", "streamableHttp", "sse"] | None = None
    command: str | None = Field(None, min_length=1)
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = Field(None, pattern=r"^https?://")
    headers: dict[str, str] = {}
    disabled: bool = False
    timeout: float | None = Field(None, gt=0, le=3600)
    """Seconds."""
    ours: _Ours = Field(default_factory=_Ours, alias="x-open-agent")

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("expected either `command` (a program to start) or `url` (a server to reach)")
        if (self.kind == "stdio") != (self.command is not None):
            raise ValueError(f"the transport {self.kind} goes with {'`command`' if self.kind == 'stdio' else '`url`'}")
        if self.ours.list_headers and not (self.user_headers or (self.ours.auth and self.ours.auth.per_user)):
            raise ValueError("`list_headers` goes with `${user:NAME}` in `headers`, or with `per_user` in `auth`")
        if self.user_headers and (self.kind == "stdio" or self.ours.bearer_file):
            raise ValueError("`${user:NAME}` goes with `url`, and not with `bearer_file`")
        if self.ours.auth and (self.kind == "stdio" or self.ours.bearer_file or self.user_headers):
            raise ValueError("`auth` goes with `url`, and not with `bearer_file` or `${user:NAME}`")
        return self

    @property
    def user_headers(self) -> dict[str, str]:
        return {name: text for name, text in self.headers.items() if wanted_of_user(text)}

    @property
    def kind(self) -> Transport:
        named = self.type or self.transport
        return _TRANSPORTS[named] if named else "stdio" if self.command is not None else "http"


class _File(BaseModel):
    model_config = ConfigDict(extra="allow")

    mcp_servers: dict[str, _Entry] = Field({}, alias="mcpServers")
    servers: dict[str, _Entry] = {}

    @model_validator(mode="after")
    def _names_servers(self) -> Self:
        if not {"mcpServers", "mcp_servers", "servers"} & self.model_fields_set:
            raise ValueError('expected `{"mcpServers": {"name": {"command": …}}}`')
        if twice := self.mcp_servers.keys() & self.servers.keys():
            raise ValueError(f"named in `mcpServers` and in `servers`: {', '.join(sorted(twice))}")
        return self


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
        file = _File.model_validate(document.value)
    except ValidationError as error:
        raise InvalidFile(build_mistakes(document, _File, error)) from None
    _warn_of_ignored(name, file)
    written = {**_section(raw, "mcpServers"), **_section(raw, "servers")}
    entries = {**file.mcp_servers, **file.servers}
    return [_config(key, e, written[key], variables) for key, e in entries.items() if not e.disabled]


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


def _warn_of_ignored(name: str, file: _File) -> None:
    for key in file.model_extra or ():
        _log.warning("%s: the key %s is not used here", name, key)
    for server, entry in {**file.mcp_servers, **file.servers}.items():
        for key in entry.model_extra or ():
            why = "grants nothing here; policies decide" if key in _GRANT_NOTHING else "is not used here"
            _log.warning("%s: %s.%s %s", name, server, key, why)


def _config(name: str, entry: _Entry, written: JsonValue, variables: Mapping[str, str]) -> ServerConfig:
    ours = entry.ours
    kept = _INHERITED if ours.sandbox == "none" and not ours.dangerous else [key for key in _INHERITED if key != "HOME"]
    headers = {name: text for name, text in entry.headers.items() if name not in entry.user_headers}
    inherited = {key: variables[key] for key in kept if key in variables}
    return ServerConfig(
        name=name,
        transport=entry.kind,
        command=(entry.command, *entry.args) if entry.command is not None else (),
        env={**inherited, **entry.env},
        cwd=entry.cwd,
        url=entry.url or "",
        headers=headers,
        user_headers=entry.user_headers,
        list_headers=ours.list_headers,
        bearer_file=ours.bearer_file,
        oauth=ours.auth.build() if ours.auth else None,
        private=ours.grant.private,
        prefix=name if ours.prefix is None else ours.prefix,
        allow=tuple(ours.allow),
        deny=tuple(ours.deny),
        repeatable=tuple(ours.repeatable),
        sandbox="auto" if ours.dangerous and ours.sandbox == "none" and not ours.allow_unsandboxed else ours.sandbox,
        grants=ours.grant.build(),
        dangerous=ours.dangerous and not ours.allow_unsandboxed,
        required=ours.required,
        samples=ours.sampling,
        timeout=ours.timeout or entry.timeout,
        start_timeout=ours.start_timeout,
        obstacle=_obstacle(entry, ours.needs),
        secrets=build_secrets(written, entry.env, [*headers.values(), *ours.list_headers.values()], variables).union(
            ours.auth.secrets if ours.auth else ()
        ),
    )


def _obstacle(entry: _Entry, needs: Sequence[str]) -> str:
    if missing := [path for path in needs if not Path(path).exists()]:
        return f"it needs {missing[0]}, which is not there"
    if entry.cwd is not None and not Path(entry.cwd).is_dir():
        return f"its folder {entry.cwd} is not there"
    return ""
